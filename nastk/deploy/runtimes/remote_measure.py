"""Times the files beside it and prints JSON: what nastk sends to another machine. Needs numpy and the files' runtime.

It runs there with whatever Python 3.8 or newer there is, so it imports nothing of nastk but the files that are sent
beside it. Options and protocol are those of `session_options` and `latency` here; a test holds them together.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .remote_machine import hot, identity, machine, others_running, usable_cores
from .remote_runtimes import CannotMeasure, CannotRun, HostCannot, Timer, checked_version, opened
from .remote_trtexec import TENSORRT, Engines

PLAN, MARK = "plan.json", "nastk-remote:"
REPEATS, TURN_SECONDS, BLOCK = 3, 0.02, 10
LEAST_WARMUP, NORMAL_95, PRECISION = 10, 1.96, 0.02


def main(folder: Path) -> None:
    """Does what plan.json in `folder` says; the answer is the last line of the output."""
    end_with_whoever_asked()
    try:
        answer = measured(folder, json.loads((folder / PLAN).read_text()))
    except CannotRun as error:
        answer = {"refused": str(error)}
    except CannotMeasure as error:
        answer = {"error": str(error)}
    except HostCannot as error:
        answer = {"failed": str(error)}
    print("\n" + MARK + json.dumps(answer), flush=True)


def measured(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Returns "nanoseconds" (by file, by repeat, of each run), "threads", and what the machine is and how it fares."""
    if hasattr(signal, "SIGALRM"):  # whoever asked has gone by then
        signal.alarm(math.ceil(plan["timeout"]))
    for name, expected in plan["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise CannotMeasure(f"{name}: its SHA-256 differs after the copy")
    found = by_trtexec(folder, plan) if plan["runtime"] == TENSORRT else by_runtime(folder, plan)
    others = [*found["others"], others_running()]
    return {
        "others": None if None in others else sum(others) / len(others),
        "nanoseconds": dict(zip(plan["files"], found["repeats"])),  # noqa: B905 - Python 3.8 has no strict
        "threads": plan["threads"] or usable_cores(),
        "versions": {"python": platform.python_version(), **found["versions"]},
        "machine": {**machine(plan["provider"]), **found["machine"]},
        "hot": hot(),
        "identity": identity(),
    }


def end_with_whoever_asked() -> None:
    """Has this script end, and what it started, once nobody reads its answer: the next one would be timed beside it."""
    if not hasattr(select, "poll") or not hasattr(signal, "pthread_kill"):
        return
    main_thread, hung_up = threading.get_ident(), select.poll()
    hung_up.register(1, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def wait() -> None:
        hung_up.poll()
        signal.pthread_kill(main_thread, signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def by_runtime(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Opens the files in the plan's runtime and times them here."""
    threads = plan["threads"] or usable_cores()
    try:
        import numpy

        versions = {"numpy": numpy.__version__, plan["runtime"]: checked_version(plan)}
        plans = {name: {**plan, "settings": plan["settings"].get(name, {})} for name in plan["files"]}
        timers = [opened((folder / name).read_bytes(), mine, threads) for name, mine in plans.items()]
    except ImportError as error:
        raise CannotMeasure(f"{error.name or error} cannot be imported by {sys.executable}; install it there") from None
    others = [others_running()]
    repeats = (
        [[quick(timer, plan["seconds"])] for timer in timers] if plan["quick"] else interleaved(timers, plan, others)
    )
    return {"repeats": repeats, "others": others, "versions": versions, "machine": {}}


def by_trtexec(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Has trtexec build the files' engines and time them."""
    engines = Engines(folder, plan)
    others = [others_running()]
    repeats = engines.repeats(1 if plan["quick"] else REPEATS)
    versions, facts = {TENSORRT: engines.version}, {"gpu": engines.gpu}
    return {"repeats": repeats, "others": others, "versions": versions, "machine": facts}


def interleaved(timers: list[Timer], plan: dict[str, Any], others: list[Any]) -> list[list[list[int]]]:
    """Returns each file's repeats: the files take turns until each has had its runs and its time.

    What else wanted to run meanwhile is counted into `others`.
    """
    for timer in timers:
        timer.run(LEAST_WARMUP)
    repeats: list[list[list[int]]] = [[] for _ in timers]
    runs, nanoseconds = math.ceil(plan["runs"] / REPEATS), plan["seconds"] / REPEATS * 1e9
    for _ in range(REPEATS):
        times: list[list[int]] = [[] for _ in timers]
        while any(len(mine) < runs or sum(mine) < nanoseconds for mine in times):
            for timer, mine in zip(timers, times):  # noqa: B905
                mine.extend(timer.run(2, TURN_SECONDS)[1:])
                others.append(others_running())
        for mine, all_of_it in zip(times, repeats):  # noqa: B905
            all_of_it.append(mine)
    return repeats


def quick(timer: Timer, seconds: float) -> list[int]:
    """Returns the runs of a search candidate: until the median is known to 2 %, or for so long."""
    start = time.perf_counter()
    for _ in range(LEAST_WARMUP):
        timer.run(1)
        if time.perf_counter() - start > seconds / 3:
            break
    times: list[int] = []
    while len(times) < 5 or time.perf_counter() - start < seconds:
        times += timer.run(1)
        if len(times) % BLOCK == 0 and uncertainty(times) <= PRECISION:
            break
    return times


def uncertainty(times: list[int]) -> float:
    """Returns half the width of the median's 95 % confidence interval, as a share of the median."""
    ordered, count = sorted(times), len(times)
    reach = NORMAL_95 * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return (ordered[high] - ordered[low]) / 2 / ordered[count // 2] if low >= 0 and high < count else math.inf
