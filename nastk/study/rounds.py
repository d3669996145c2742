"""A round of a search: candidates that are proposed one after another, trained side by side, and told together."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nastk.evaluators import EvaluationFailed, Pruned, Report
from nastk.executors import Executor, Result, Task
from nastk.genotype import Genotype
from nastk.runs.trials import Row
from nastk.study.candidate import Candidate
from nastk.study.deaths import Watched, unwatched
from nastk.study.study import SearchStudy

CostModel = Callable[[Genotype], Mapping[str, float]]
"""Says what an untrained genotype costs where it will run."""

Watch = Callable[[Row], None]
"""Is called with a trial's row."""


@dataclass
class Entry:
    """A candidate of a round.

    Attributes:
        candidate: what the controller proposed.
        start: when it did, by the monotonic clock.
        metrics: what is known of it: its cost, and what it had reached where it was stopped.
        row: its result, as soon as it is recorded.
    """

    candidate: Candidate
    start: float = field(default_factory=time.monotonic)
    metrics: dict[str, float] = field(default_factory=dict)
    row: Row | None = None

    @property
    def seconds(self) -> float:
        """Seconds since it was proposed."""
        return time.monotonic() - self.start


class Round:
    """Candidates on their way from proposal to result.

    A round that a kill interrupted is put together again from the study: its open trials are taken first, and what was
    recorded of them is not done again. Results are recorded as they come, and told when all are there, so that nothing
    which is proposed or judged meanwhile depends on which candidate was the first to end.

    Args:
        study: that the candidates belong to.
        executor: that trains them.
        watched: in which they are measured, and trained where this process does so.
    """

    def __init__(self, study: SearchStudy, executor: Executor, watched: Watched = unwatched) -> None:
        self._study = study
        self._watched = watched
        self._executor = executor
        self._last: int | None = getattr(executor.evaluator, "epochs", None)
        self.accepted: list[Entry] = []
        self._twins: list[tuple[Entry, Entry]] = []

    def full(self, size: int, trials: int) -> bool:
        """Returns whether there are `size` candidates, or enough to spend the budget of `trials`, or trained ones."""
        return (
            len(self.accepted) >= size
            or len(self._twins) >= size  # a space with fewer cells than that would never fill the round
            or self._study.trained + self._study.elsewhere + len(self.accepted) >= trials
            or any(entry.row is not None for entry in self.accepted)
        )

    def take(self, candidate: Candidate, cost: CostModel) -> Row | None:
        """Accepts a candidate for training, or answers it at once.

        Returns:
            the row of a candidate that needs no training: a repeated one, one over a limit, one without a cost.
        """
        entry = Entry(candidate, row=candidate.row)
        if candidate.cost is not None:
            entry.metrics |= candidate.cost
            self.accepted.append(entry)
            return None
        study = self._study
        twin = study.twin(candidate)
        if twin is not None:
            return study.finish(candidate, study.record_duplicate(candidate, twin, entry.seconds))
        key = candidate.genotype.key
        first = next((other for other in self.accepted if other.candidate.genotype.key == key), None)
        if first is not None:
            self._twins.append((entry, first))
            return None
        try:
            with self._watched(candidate.number):
                entry.metrics |= cost(candidate.genotype)
        except EvaluationFailed as failure:
            reason = str(failure)
            return study.finish(candidate, study.record_stopped(candidate, "failed", {}, entry.seconds, reason))
        violation = study.objective.violation(entry.metrics)
        if violation is not None:
            row = study.record_rejected(candidate, entry.metrics, violation, entry.seconds)
            return study.finish(candidate, row)
        study.accept(candidate, entry.metrics)
        self.accepted.append(entry)
        return None

    def train(self, trained: Watch) -> None:
        """Trains the accepted candidates; `trained` is called with each one's row once it is recorded."""
        for entry in self.accepted:
            if entry.row is not None:
                trained(entry.row)
        waiting = [entry for entry in self.accepted if entry.row is None]
        tasks = [self._task(entry) for entry in waiting]
        for index, result in self._executor.run(tasks):
            row = waiting[index].row = self._record(waiting[index], result)
            trained(row)

    def tell(self) -> Iterator[Row]:
        """Tells the study all results in the order of the trials' numbers; yields their rows."""
        told = [(entry.candidate, entry.row) for entry in self.accepted if entry.row is not None]
        for entry, first in self._twins:
            assert first.row is not None
            told.append((entry.candidate, self._study.record_duplicate(entry.candidate, first.row, entry.seconds)))
        for candidate, row in sorted(told, key=lambda pair: pair[0].number):
            yield self._study.finish(candidate, row)

    def _task(self, entry: Entry) -> Task:
        here = functools.partial(self._watched, entry.candidate.number)
        return Task(entry.candidate.genotype, functools.partial(self._report, entry), here)

    def _report(self, entry: Entry) -> Report:
        stopping = self._study.early_stopping(entry.candidate, entry.metrics)

        def report(epoch: int, accuracy: float) -> None:
            why = stopping.should_stop(epoch, accuracy)
            if why is not None and epoch != self._last:  # trained to its end it has a result, and nothing is saved
                entry.metrics.update(accuracy=accuracy, epochs=epoch)
                raise Pruned(why)

        return report

    def _record(self, entry: Entry, result: Result) -> Row:
        study, candidate = self._study, entry.candidate
        if isinstance(result, Pruned):
            return study.record_stopped(candidate, "pruned", entry.metrics, entry.seconds, str(result))
        if isinstance(result, EvaluationFailed):
            return study.record_stopped(candidate, "failed", entry.metrics, entry.seconds, str(result))
        return study.record_complete(candidate, {**entry.metrics, **result}, entry.seconds)
