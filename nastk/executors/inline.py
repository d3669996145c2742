"""Trains candidates in the search's own process, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from types import TracebackType

from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.executors import Make, Result, Task


class InlineExecutor:
    """No other process is started.

    Args:
        make: makes the evaluator.
    """

    parallel = 1

    def __init__(self, make: Make) -> None:
        self._make = make

    @cached_property
    def evaluator(self) -> Evaluator:
        """The search's evaluator."""
        return self._make(None)

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def ready(self, candidates: int) -> None:
        """Returns at once: there is nothing to wait for."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Trains candidates in order; yields the index and the result of each."""
        for index, task in enumerate(tasks):
            result: Result
            try:
                with task.here():
                    result = self.evaluator.evaluate(task.genotype, task.begin())
            except (EvaluationFailed, Pruned) as stopped:
                result = stopped
            yield index, result
