"""Costs of several candidates measured at the same time, where there are several machines to measure on."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from nastk.evaluators import EvaluationFailed
from nastk.genotype import Genotype
from nastk.study.errands import Around, Errands

Measured = Callable[[], Mapping[str, float]]
# Threads whose measurements were ended have so long to notice it.
ENDING_SECONDS, LOOK_AGAIN_SECONDS = 5.0, 0.05


@dataclass(frozen=True)
class CostsAtOnce:
    """A cost model for several candidates at once; called, it measures one.

    Attributes:
        begin: does what the main thread has to do for a candidate, such as writing its file; returns what measures it,
            in any thread.
        count: of candidates at once.
        end: ends measurements in other threads, which then raise; None where they cannot be ended.
        errands: by which other threads that call this have the main thread begin.
    """

    begin: Callable[[Genotype], Measured]
    count: int
    end: Callable[[], None] | None = None
    errands: Errands = field(default_factory=Errands)

    def __call__(self, genotype: Genotype) -> Mapping[str, float]:
        """Returns what the candidate costs."""
        return self.errands.run(functools.partial(self.begin, genotype))()


@runtime_checkable
class MeasuresBy(Protocol):
    """A cost model that measures by another one."""

    @property
    def measures_by(self) -> Callable[[Genotype], Mapping[str, float]]:
        """The other one."""


def costs_at_once(cost: object) -> CostsAtOnce | None:
    """Returns what measures several candidates at the same time for a cost model, None where it measures in turn."""
    found = cost.measures_by if isinstance(cost, MeasuresBy) else cost
    return found if isinstance(found, CostsAtOnce) and found.count > 1 else None


def measured_at_once(cost: object) -> int:
    """Returns how many candidates a cost model measures at the same time."""
    found = costs_at_once(cost)
    return 1 if found is None else found.count


class Begun:
    """Measurements, and what takes several of them, on their way, by the number of the trial.

    Args:
        costs: that they are made by; None where none is.
    """

    def __init__(self, costs: CostsAtOnce | None) -> None:
        self._pool = ThreadPoolExecutor(costs.count if costs else 1, thread_name_prefix="measuring")
        self._futures: dict[int, Future[Any]] = {}
        self._errands, self._end = (costs.errands, costs.end) if costs else (Errands(), None)
        self._closed = False

    def begin(self, number: int, begin: Callable[[], Measured]) -> None:
        """Begins a measurement; a candidate that cannot be measured fails when it is asked for."""
        try:
            self._submit(number, begin())
        except EvaluationFailed as failure:
            self._futures[number] = Future()
            self._futures[number].set_exception(failure)

    def begin_several(self, number: int, work: Callable[[], object], around: Around) -> None:
        """Begins what measures several times; what the main thread does for it is done in the block of `around`."""

        def sent() -> object:
            with self._errands.sent(around):
                if self._closed:
                    raise CancelledError
                return work()

        self._submit(number, sent)

    def has(self, number: int) -> bool:
        """Whether a trial's measurement was begun."""
        return number in self._futures

    def result(self, number: int) -> Any:
        """Waits for a trial's measurement; raises what it raised, or what ends the search and another one raised."""
        mine = self._futures[number]
        while not mine.done():
            self._raise_mistakes()
            self._errands.serve()
        del self._futures[number]
        return mine.result()

    def close(self) -> None:
        """Ends what was begun and is not wanted any more: a machine that hangs is not waited for."""
        self._closed = True  # a thread that goes on after this finds nobody who does its errands
        self._pool.shutdown(wait=False, cancel_futures=True)
        last = time.monotonic() + ENDING_SECONDS
        while time.monotonic() < last and not all(future.done() for future in self._futures.values()):
            self._errands.refuse()
            if self._end is None:
                break
            self._end()
            wait(self._futures.values(), LOOK_AGAIN_SECONDS)

    def _submit(self, number: int, work: Callable[[], object]) -> None:
        self._futures[number] = self._pool.submit(work)
        self._futures[number].add_done_callback(self._errands.wake)

    def _raise_mistakes(self) -> None:
        for future in self._futures.values():
            error = future.exception() if future.done() and not future.cancelled() else None
            if error is not None and not isinstance(error, EvaluationFailed):
                raise error
