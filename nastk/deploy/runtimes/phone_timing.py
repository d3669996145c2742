"""Times files on a phone with a benchmark program: by repeats as on this machine, each a process of its own there."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from nastk.deploy.runtimes.candidate_timing import QuickTiming, steadiest
from nastk.deploy.runtimes.elf import check_abi
from nastk.deploy.runtimes.farm_member import lock_of
from nastk.deploy.runtimes.host_lock import turn
from nastk.deploy.runtimes.latency import LEAST_RUNS, LEAST_WARMUP, Latency, summary
from nastk.deploy.runtimes.phone import RUNNING, Phone, open_phone
from nastk.deploy.runtimes.phone_facts import Core, PhoneFacts, cooled, phone_facts, slowed
from nastk.deploy.runtimes.phone_tools import Asked, Reading, Tool, last_words, parsed
from nastk.deploy.runtimes.remote_shell import clean
from nastk.errors import UserError
from nastk.stats.steadiness import MOST_REPEATS, REPEATS, Repeat, doubt, quietest

T = TypeVar("T")

PROGRAM = "benchmark"
PILOT = 10
# A governor takes some time to raise the clock.
WARMUP_SECONDS = 0.5
# What the log of a phone keeps: 256 KB, of some 80 bytes a run.
MOST_RUNS = 1000
CANNOT_EXECUTE, NOT_FOUND = 126, 127


@dataclass(frozen=True)
class PhoneConditions:
    """Under which a phone times files.

    Attributes:
        serial: adb's name of it, None for the only one.
        tool: what the program is.
        program: the program itself.
        where: its path on this machine, for messages.
        batch: images at a time.
        threads: that compute together, 0 for all cores there.
        celsius: the most that its processor may be warm before it is timed.
        wait: seconds that it may take to cool.
        timeout: seconds that a run of the program may take, besides what is timed.
    """

    serial: str | None
    tool: Tool
    program: bytes
    where: str
    batch: int
    threads: int
    celsius: float
    wait: float
    timeout: float


@dataclass(frozen=True)
class Session:
    """A phone with files in a folder, ready to time them.

    Attributes:
        phone: that answers.
        how: the conditions.
        path: of the folder there.
        pinned: the cores that files run on, () for any.
        threads: that compute together.
    """

    phone: Phone
    how: PhoneConditions
    path: str
    pinned: tuple[Core, ...]
    threads: int

    def once(self, model: str, runs: int, warmup: int, expected: float) -> Reading:
        """Runs the program for one file; `expected` is how many seconds that is thought to take."""
        asked = Asked(model, self.how.batch, self.threads, runs, warmup)
        arguments, after = self.how.tool.command(asked)
        mask = sum(1 << core.number for core in self.pinned)
        pin = f"taskset {mask:x} " if mask else ""
        script = (
            f"cd {self.path} || exit 1\n{pin}./{PROGRAM} {arguments} </dev/null &\n"
            f"pid=$!\necho $pid > {RUNNING}\nwait $pid\ncode=$?\nrm -f {RUNNING}\n{after}\n(exit $code)"
        )
        printed, code = self.phone.run(script, self.how.timeout + 3 * expected)
        where = f"adb {self.phone.serial}"
        self.check_started(printed, code)
        if code:
            why = last_words(clean(printed))
            raise UserError(f"{where}: {self.how.tool.title} ended with exit code {code} ({why})")
        return parsed(self.how.tool, clean(printed), asked, where)

    def check_started(self, printed: str, code: int) -> None:
        """Raises UserError where what a program printed and its exit code say that it cannot be started."""
        if code in (CANNOT_EXECUTE, NOT_FOUND) or "CANNOT LINK EXECUTABLE" in printed:
            raise UserError(
                f"adb {self.phone.serial}: {self.how.where} cannot be executed there ({last_words(clean(printed))}); "
                "expected a program for Android that needs no further library"
            )

    def read(self, model: str, seconds: float, least: int) -> Reading:
        """Times a file: a short run says how many make up `seconds` and a warm-up, `least` at least, 1,000 at most."""
        pilot = self.once(model, PILOT, 1, 0.0)
        return self.again(model, pilot, seconds, least)

    def again(self, model: str, before: Reading, seconds: float, least: int) -> Reading:
        """Times a file whose latency is known about."""
        runs = min(max(least, math.ceil(seconds / before.p50)), max(least, MOST_RUNS))
        warmup = min(max(LEAST_WARMUP, math.ceil(WARMUP_SECONDS / before.p50)), MOST_RUNS)
        return self.once(model, runs, warmup, (runs + warmup) * before.p50)


def about_phone(how: PhoneConditions) -> tuple[str, PhoneFacts]:
    """Returns a phone's name and what it is, once the program was started on it, without a file.

    Raises:
        UserError: there is no such phone, it has fewer cores than threads are wanted, or the program is not for it or
            cannot be executed there.
    """
    phone = open_phone(how.serial)
    facts = phone_facts(phone)
    check_abi(how.program, how.where, f"adb {phone.serial}", facts.abis)
    if facts.cores and how.threads > len(facts.cores):
        raise UserError(f"target: threads={how.threads}, adb {phone.serial} has {len(facts.cores)} cores that are on")
    with phone.folder({PROGRAM: how.program}, PROGRAM) as path:
        printed, code = phone.run(f"cd {path} && ./{PROGRAM} --help </dev/null", how.timeout)
        Session(phone, how, path, (), 1).check_started(printed, code)
    return phone.serial, facts


def quick_on_phone(how: PhoneConditions, name: str, file: bytes, seconds: float) -> QuickTiming:
    """Returns how long a candidate takes there: anew where in doubt, three times at most."""

    def job(session: Session) -> QuickTiming:
        def one() -> QuickTiming:
            found = session.read(name, seconds, PILOT)
            why = doubt(found.p50 * 1000, found.least * 1000, 0.0) or _slowed(session)
            return QuickTiming(found.p50 * 1000, why)

        return steadiest(one)

    return _timed(how, {name: file}, job)[0]


def latencies_on_phone(
    how: PhoneConditions, models: Mapping[str, bytes], runs: int, seconds: float
) -> tuple[list[Latency], PhoneFacts]:
    """Returns the latency of each file there, measured in turn, anew where in doubt, and what the phone was then.

    Args:
        how: the conditions.
        models: content by name.
        runs: of each at least, over three repeats ...
        seconds: ... and so long, as far as 1,000 runs a repeat make that.
    """
    least = math.ceil(max(runs, LEAST_RUNS) / REPEATS)

    def job(session: Session) -> list[Latency]:
        before = [session.once(name, PILOT, 1, 0.0) for name in models]
        rows: list[list[Reading]] = []
        while True:
            rows.append(
                [session.again(name, one, seconds / REPEATS, least) for name, one in zip(models, before, strict=True)]
            )
            if len(rows) < REPEATS:
                continue
            why = _slowed(session)
            found = [_latency(mine, session) for mine in zip(*_quietest(rows), strict=True)]
            found = [replace(one, steady=False, doubt=one.doubt or why) if why else one for one in found]
            if len(rows) >= MOST_REPEATS or all(one.steady for one in found):
                return found

    return _timed(how, models, job)


def _timed(how: PhoneConditions, models: Mapping[str, bytes], job: Callable[[Session], T]) -> tuple[T, PhoneFacts]:
    phone = open_phone(how.serial)
    with turn(lock_of(f"adb {phone.serial}"), f"adb {phone.serial}"):
        return _timed_alone(phone, how, models, job)


def _timed_alone(
    phone: Phone, how: PhoneConditions, models: Mapping[str, bytes], job: Callable[[Session], T]
) -> tuple[T, PhoneFacts]:
    facts = cooled(phone, how.celsius, how.wait)
    check_abi(how.program, how.where, f"adb {phone.serial}", facts.abis)
    pinned = facts.fastest(how.threads)
    threads = how.threads or len(facts.cores) or 1
    with phone.folder({PROGRAM: how.program, **models}, PROGRAM) as path:
        return job(Session(phone, how, path, pinned, threads)), facts


def _slowed(session: Session) -> str | None:
    return slowed(phone_facts(session.phone), session.pinned)


def _quietest(rows: Sequence[list[Reading]]) -> list[list[Reading]]:
    """Returns the rows, one a repeat, in which all files together were quickest."""
    repeats = [Repeat([[one.p50] for one in row]) for row in rows]
    kept = {id(repeat) for repeat in quietest(repeats)}
    return [row for row, repeat in zip(rows, repeats, strict=True) if id(repeat) in kept]


def _latency(readings: Sequence[Reading], session: Session) -> Latency:
    """Returns the latency that the repeats of one file amount to; without its times p90 and p99 are the greatest."""
    batch, threads, cores = session.how.batch, session.threads, len(session.pinned) or None
    if all(one.times for one in readings):
        return summary([one.times for one in readings], batch, threads, None, cores)
    p50 = statistics.median(one.p50 for one in readings) * 1000
    least = min(one.least for one in readings) * 1000
    spread = float(np.ptp([one.p50 for one in readings])) * 1000 / p50
    p90, p99 = (max(getattr(one, name) for one in readings) * 1000 for name in ("p90", "p99"))
    why = doubt(p50, least, spread, None, threads, cores)
    p50, p90, p99, least = (round(value, 4) for value in (p50, p90, p99, least))
    runs = sum(one.runs for one in readings)
    return Latency(p50, p90, p99, least, runs, round(spread, 4), why is None, batch, threads, why)
