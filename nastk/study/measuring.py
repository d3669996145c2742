"""Costs of several candidates measured at the same time, where there are several machines to measure on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from nastk.evaluators import EvaluationFailed
from nastk.genotype import Genotype

Measured = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class CostsAtOnce:
    """A cost model for several candidates at once; called, it measures one.

    Attributes:
        begin: does what the main thread has to do for a candidate, such as writing its file; returns what measures it,
            in any thread.
        count: of candidates at once.
    """

    begin: Callable[[Genotype], Measured]
    count: int

    def __call__(self, genotype: Genotype) -> Mapping[str, float]:
        """Returns what the candidate costs."""
        return self.begin(genotype)()


def measured_at_once(cost: object) -> int:
    """Returns how many candidates a cost model measures at the same time."""
    return cost.count if isinstance(cost, CostsAtOnce) else 1


class Begun:
    """Measurements on their way, by the number of the trial.

    Args:
        count: at once.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="measuring")
        self._futures: dict[int, Future[Mapping[str, float]]] = {}

    def begin(self, number: int, begin: Callable[[], Measured]) -> None:
        """Begins a measurement; a candidate that cannot be measured fails when it is asked for."""
        try:
            self._futures[number] = self._pool.submit(begin())
        except EvaluationFailed as failure:
            self._futures[number] = Future()
            self._futures[number].set_exception(failure)

    def has(self, number: int) -> bool:
        """Whether a trial's measurement was begun."""
        return number in self._futures

    def result(self, number: int) -> Mapping[str, float]:
        """Waits for a trial's measurement; raises what it raised."""
        return self._futures.pop(number).result()

    def close(self) -> None:
        """Lets go of what was begun and is not wanted any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
