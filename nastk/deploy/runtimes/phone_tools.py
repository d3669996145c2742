"""The benchmark programs of three runtimes: how each is called on a phone, and what it says of the runs it timed.

Sources, as read in November 2026: LiteRT `tflite/tools/benchmark/benchmark_model.cc` and TensorFlow's
`stats_calculator.h`; ONNX Runtime `onnxruntime/test/perftest/` (`command_args_parser.cc`, `performance_result.h`);
ExecuTorch `examples/portable/executor_runner/executor_runner.cpp` and `runtime/platform/default/android.cpp`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nastk.errors import UserError

# What ONNX Runtime calls the first dimension of nastk's files.
BATCH = "batch"
MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class Asked:
    """What a program is to time: a file of a name, so many images at a time, threads, and runs after a warm-up."""

    model: str
    batch: int
    threads: int
    runs: int
    warmup: int


@dataclass(frozen=True)
class Reading:
    """What a program says of the runs of one file, in seconds.

    Attributes:
        p50, p90, p99, least: of all runs; of a program that gives fewer percentiles, the next above.
        runs: how many were timed.
        times: of each run; () where the program does not give them.
    """

    p50: float
    p90: float
    p99: float
    least: float
    runs: int
    times: tuple[float, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A benchmark program.

    Attributes:
        title: what it is called.
        command: gives its arguments and what is to be done after it, both for a shell in its folder.
        read: gives the reading in all that was printed, or None where there is none.
        missing: what may be wrong where there is none.
        bounds: what it does not tell, None where it tells all.
    """

    title: str
    command: Callable[[Asked], tuple[str, str]]
    read: Callable[[str, Asked], Reading | None]
    missing: str
    bounds: str | None = None


def of_times(times: list[float], warmup: int) -> Reading | None:
    """Returns the reading of the seconds of each run, without the first ones; None where none are left or right."""
    kept = times[warmup:]
    if not kept or not all(0 < one < MOST_SECONDS for one in kept):
        return None
    p50, p90, p99 = (float(value) for value in np.percentile(kept, [50, 90, 99]))
    return Reading(p50, p90, p99, min(kept), len(kept), tuple(kept))


def _litert_command(asked: Asked) -> tuple[str, str]:
    return (
        f"--graph={asked.model} --num_threads={asked.threads} --num_runs={asked.runs} --min_secs=0 --max_secs=86400 "
        f"--warmup_runs={asked.warmup} --warmup_min_secs=0",
        ":",
    )


STATISTICS = re.compile(r"^.*\bcount=(\d+) .*$", re.MULTILINE)


def _litert_read(printed: str, asked: Asked) -> Reading | None:
    """The last line of statistics, in microseconds, is that of the runs; the one before is the warm-up's."""
    lines = list(STATISTICS.finditer(printed))
    if not lines:
        return None
    found = {name: float(value) for name, value in re.findall(r"\b([a-z]+\d*)=(\d+(?:\.\d+)?)", lines[-1][0])}
    same = found.get("curr") if "(all same)" in lines[-1][0] else None
    try:
        p50, p95 = found["median"], found["p95"]
        most, least = (found["max"], found["min"]) if same is None else (same, same)
    except KeyError:
        return None
    if not 0 < least <= p50 <= p95 <= most:
        return None
    return Reading(p50 / 1e6, p95 / 1e6, most / 1e6, least / 1e6, int(found["count"]))


RESULT = "result.csv"


def _onnxruntime_command(asked: Asked) -> tuple[str, str]:
    batch = "" if asked.batch == 1 else f" -f {BATCH}:{asked.batch}"
    return (
        # -z and -Z: denormals are zero and threads stop spinning between runs, as in nastk's own sessions.
        f"-m times -r {asked.runs + asked.warmup} -e cpu -x {asked.threads} -y 1 -z -Z -I{batch} "
        f"{asked.model} {RESULT}",
        f"cat {RESULT}; rm -f {RESULT}",  # it adds to what is there
    )


# model, seconds, most memory, percent of the processor, number of the run
ROW = re.compile(r"^[^,\n]*,([0-9.eE+-]+),\d+,-?\d+,\d+\s*$", re.MULTILINE)


def _onnxruntime_read(printed: str, asked: Asked) -> Reading | None:
    try:
        times = [float(one) for one in ROW.findall(printed)]
    except ValueError:
        return None
    return of_times(times, asked.warmup) if len(times) == asked.runs + asked.warmup else None


def _executorch_command(asked: Asked) -> tuple[str, str]:
    """On Android the runtime's log, where the times are, goes to logcat; older programs lack some flags."""
    return (
        f"--model_path={asked.model} --num_executions={asked.runs + asked.warmup} --cpu_threads={asked.threads} "
        "--print_output=none --undefok=cpu_threads,print_output",
        "logcat -d -v raw -s ExecuTorch --pid=$pid",
    )


ITERATION = re.compile(r"\bIteration (\d+) of (\d+): (\d+(?:\.\d+)?) ms")


def _executorch_read(printed: str, asked: Asked) -> Reading | None:
    """A program that prints to the terminal as well as to the log says each run twice."""
    found = {int(number): float(time) / 1e3 for number, _, time in ITERATION.findall(printed)}
    wanted = asked.runs + asked.warmup
    if sorted(found) != list(range(1, wanted + 1)):
        return None
    return of_times([found[number] for number in sorted(found)], asked.warmup)


BENCHMARK_MODEL = Tool(
    "benchmark_model",
    _litert_command,
    _litert_read,
    "expected a line of count=, min=, max=, median= and p95=; older versions give no median, LiteRT's do",
    "benchmark_model tells no p90 and p99: p90 is its p95, p99 its slowest run, which are no less",
)
PERF_TEST = Tool(
    "onnxruntime_perf_test",
    _onnxruntime_command,
    _onnxruntime_read,
    "expected a line for each run in its result file",
)
EXECUTOR_RUNNER = Tool(
    "executor_runner",
    _executorch_command,
    _executorch_read,
    "expected a line 'Iteration N of M: X ms' for each run in logcat; build it with EXECUTORCH_ENABLE_LOGGING=ON and "
    "from a version that prints them",
)


def last_words(printed: str) -> str:
    """Returns the line that tells best why a program failed: the last that speaks of an error, or the last."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|failed|cannot|not found|denied", line, re.IGNORECASE)]
    return (errors or lines or ["it printed nothing"])[-1][:200]


def parsed(tool: Tool, printed: str, asked: Asked, where: str) -> Reading:
    """Returns the reading in what a program printed; raises UserError where there is none."""
    found = tool.read(printed, asked)
    if found is None:
        raise UserError(f"{where}: {tool.title} printed no times ({last_words(printed)}); {tool.missing}")
    return found
