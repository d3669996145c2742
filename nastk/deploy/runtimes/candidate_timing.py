"""Times a candidate of a search: no longer than needed, and again where the machine was busy with something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nastk.deploy.runtimes.latency import quick_times
from nastk.stats.steadiness import doubt, mean_others, others_running

# A candidate is timed again where the first time was disturbed; the quickest counts, for only disturbances differ.
TRIES = 3


@dataclass(frozen=True)
class QuickTiming:
    """How long a candidate takes: p50 in milliseconds, and why that cannot be trusted, None where it can."""

    p50_ms: float
    doubt: str | None


def quick_timing(call: Callable[[], object], *, seconds: float, threads: int) -> QuickTiming:
    """Times anything that can be called, see `nastk.deploy.runtimes.latency.quick_latency`.

    Args:
        call: runs the batch.
        seconds: that one of at most three tries may take; a quiet machine needs one.
        threads: that compute together.
    """

    def one() -> QuickTiming:
        before = others_running()
        times = quick_times(call, seconds)
        return timing_of(times, mean_others([before, others_running()]), threads)

    return steadiest(one)


def timing_of(
    times: Sequence[float], others: float | None = None, threads: int = 1, cores: int | None = None
) -> QuickTiming:
    """Returns what the seconds of each run amount to; the other arguments are those of `steadiness.doubt`."""
    median, least = float(np.median(times)) * 1000, min(times) * 1000
    return QuickTiming(median, doubt(median, least, 0.0, others, threads, cores))


def steadiest(timed: Callable[[], QuickTiming]) -> QuickTiming:
    """Times until there is no doubt, three times at most; returns the one without doubt, or else the quickest."""
    tried: list[QuickTiming] = []
    while len(tried) < TRIES:
        tried.append(timed())
        if tried[-1].doubt is None:
            return tried[-1]
    return min(tried, key=lambda one: one.p50_ms)
