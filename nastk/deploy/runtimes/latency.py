"""Measures how long ONNX Runtime takes for a batch: several files in turn, so that a change of clock hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nastk.checks import check_number, check_whole
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.runtimes.machine import check_clock
from nastk.deploy.runtimes.session import denormals_flushed, failures_told, open_session
from nastk.errors import UserError
from nastk.processor import usable_cores
from nastk.progress import measuring
from nastk.stats.steadiness import MOST_REPEATS, REPEATS, Repeat, doubt, mean_others, others_running, quietest

# Files take turns of this length; a turn's first run is not counted, for it finds another file's weights in the cache.
TURN_SECONDS = 0.02
BLOCK = 10
LEAST_WARMUP, LEAST_RUNS = 10, 200
# Half the width of a 95 % confidence interval, in standard deviations.
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Latency:
    """How long a batch takes.

    Attributes:
        p50_ms, p90_ms, p99_ms, min_ms: of all runs, in milliseconds.
        runs: how many were timed.
        spread: between the repeats: (greatest p50 - least p50) / p50 of all.
        steady: whether it can be trusted; if not, the machine was busy with something else.
        batch: images at a time.
        threads: that compute together.
        doubt: why it cannot be trusted, None where it can.
        streams: batches side by side, each of which takes so long.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    min_ms: float
    runs: int
    spread: float
    steady: bool
    batch: int
    threads: int
    doubt: str | None = None
    streams: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return asdict(self)


def measure(
    paths: Sequence[Path],
    *,
    batch: int = 1,
    threads: int = 1,
    warmup: int = LEAST_WARMUP,
    runs: int = LEAST_RUNS,
    seconds: float = 1.0,
) -> list[Latency]:
    """Measures files against each other, in three repeats; where these do not agree, in up to nine.

    Args:
        paths: ONNX files from `image` to `logits`.
        batch: images at a time.
        threads: that compute together; 0 is all cores.
        warmup: runs of each file before any is timed, at least 10.
        runs: timed runs of each file, over three repeats, at least 200 ...
        seconds: ... and at least so long.

    Returns:
        A `Latency` for each path, in order, of the three quietest repeats.

    Raises:
        UserError: a number that makes no sense, or a file that `validate_model` refuses.
    """
    check_whole("latency: batch", batch, 1)
    check_whole("latency: threads", threads, 0)
    timers = [_timer(path, batch, threads) for path in paths]
    count = threads or usable_cores()
    return interleaved(timers, batch=batch, threads=count, warmup=warmup, runs=runs, seconds=seconds)


class Timer(Protocol):
    """What `interleaved` times: a file opened by some runtime, and its input."""

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        """Returns the seconds of each run: at least so many runs, and for at least so long."""
        ...


@measuring()
def interleaved(
    timers: Sequence[Timer],
    *,
    batch: int,
    threads: int,
    warmup: int = LEAST_WARMUP,
    runs: int = LEAST_RUNS,
    seconds: float = 1.0,
    on_cpu: bool = True,
) -> list[Latency]:
    """Measures anything that can be run against each other, `on_cpu` or elsewhere; the rest is as of `measure`."""
    if not timers:
        raise UserError("latency: no file to measure")
    check_whole("latency: warmup", warmup, LEAST_WARMUP)
    check_whole("latency: runs", runs, LEAST_RUNS)
    check_number("latency: seconds", seconds, 0)
    if on_cpu:
        check_clock()
    for timer in timers:
        timer.run(warmup)
    repeats: list[Repeat] = []
    while True:
        repeats.append(_repeat(timers, math.ceil(runs / REPEATS), seconds / REPEATS, on_cpu))
        if len(repeats) >= REPEATS:
            found = summaries(quietest(repeats), batch, threads)
            if len(repeats) >= MOST_REPEATS or all(latency.steady for latency in found):
                return found


def quick_latency(
    session: onnxruntime.InferenceSession, images: NDArray[np.float32], *, seconds: float = 0.3, precision: float = 0.02
) -> float:
    """Returns the p50 in milliseconds of a search candidate, measured no longer than needed.

    Ends when the 95 % confidence interval of the median, from order statistics, is within `precision` of it.

    Args:
        session: of `open_session`.
        images: the batch to run.
        seconds: at most so long in all, warm-up included; five runs are timed whatever they take.
        precision: half the width of the interval, as a share of the median.
    """
    return float(np.median(quick_times(lambda: session.run(None, {INPUT: images}), seconds, precision))) * 1000


@measuring()
def quick_times(call: Callable[[], object], seconds: float = 0.3, precision: float = 0.02) -> list[float]:
    """Returns the seconds of each run of anything that can be called, as many as `quick_latency` takes."""
    check_clock()
    start = time.perf_counter()
    times: list[float] = []
    with denormals_flushed():
        for _ in range(LEAST_WARMUP):
            call()
            if time.perf_counter() - start > seconds / 3:
                break
        while len(times) < 5 or time.perf_counter() - start < seconds:
            before = time.perf_counter()
            call()
            times.append(time.perf_counter() - before)
            if len(times) % BLOCK == 0 and _uncertainty(times) <= precision:
                break
    return times


def _uncertainty(times: Sequence[float]) -> float:
    """Returns half the width of the median's 95 % confidence interval, as a share of the median."""
    ordered = sorted(times)
    count = len(ordered)
    reach = NORMAL_95 * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    if low < 0 or high >= count:
        return math.inf
    return (ordered[high] - ordered[low]) / 2 / ordered[count // 2]


class CallTimer:
    """Times anything that can be called."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        """Returns the seconds of each run: at least so many runs, and for at least so long."""
        times: list[float] = []
        with denormals_flushed():
            begin = before = time.perf_counter()
            while len(times) < least or before - begin < seconds:
                self._call()
                after = time.perf_counter()
                times.append(after - before)
                before = after
        return times


def _timer(path: Path, batch: int, threads: int) -> CallTimer:
    """Opens an ONNX file with an input of noise."""
    checked = validate_model(path)
    feeds = {INPUT: np.random.default_rng(0).standard_normal((batch, *checked.shape), dtype=np.float32)}
    try:
        session = open_session(checked.data, threads)
        with failures_told():
            session.run(None, feeds)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return CallTimer(lambda: session.run(None, feeds))


def _repeat(timers: Sequence[Timer], runs: int, seconds: float, on_cpu: bool) -> Repeat:
    """Runs the files in turn until each has had its runs and its time."""
    times: list[list[float]] = [[] for _ in timers]
    others: list[float | None] = []
    while any(len(mine) < runs or sum(mine) < seconds for mine in times):
        for timer, mine in zip(timers, times, strict=True):
            mine.extend(timer.run(2, TURN_SECONDS)[1:])
            others.append(others_running() if on_cpu else None)
    return Repeat(times, mean_others(others))


def summaries(repeats: Sequence[Repeat], batch: int, threads: int, cores: int | None = None) -> list[Latency]:
    """Returns the latency of each file that the repeats, in seconds, amount to; `cores` are those of where it ran."""
    others = mean_others([repeat.others for repeat in repeats])
    return [summary(mine, batch, threads, others, cores) for mine in zip(*(one.times for one in repeats), strict=True)]


def summary(
    repeats: Sequence[Sequence[float]], batch: int, threads: int, others: float | None = None, cores: int | None = None
) -> Latency:
    """Returns the latency that the seconds of each run, repeat by repeat, amount to, and whether to trust it."""
    milliseconds = np.concatenate([np.asarray(times) for times in repeats]) * 1000
    p50, p90, p99 = (round(float(value), 4) for value in np.percentile(milliseconds, [50, 90, 99]))
    spread = float(np.ptp([np.median(times) * 1000 for times in repeats])) / p50
    least = round(float(milliseconds.min()), 4)
    why = doubt(p50, least, spread, others, threads, cores)
    return Latency(p50, p90, p99, least, len(milliseconds), round(spread, 4), why is None, batch, threads, why)
