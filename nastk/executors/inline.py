"""Trains candidates in the search's own process, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType

from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.executors import Make, Next, NoTask, Result, Task


class InlineExecutor:
    """No other process is started.

    Args:
        make: makes the evaluator.
    """

    parallel = 1
    rounds = True

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

    def prepare(self, folder: Path) -> None:
        """Has the evaluator prepare itself, and load what that left."""
        self.evaluator.prepare(folder)
        self.evaluator.load(folder)

    def ready(self, candidates: int) -> None:
        """Returns at once: there is nothing to wait for."""

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        """Trains one candidate after another; yields the index and the result of each."""
        index = 0
        while (offered := more()) is not NoTask.WAIT:
            if isinstance(offered, Task):
                yield index, self._result(offered)
                index += 1

    def _result(self, task: Task) -> Result:
        try:
            with task.here():
                return self.evaluator.evaluate(task.genotype, task.begin())
        except (EvaluationFailed, Pruned) as stopped:
            return stopped
