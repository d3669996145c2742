"""A candidate in flight: accepted for training and not told to the study yet, with the proposals that repeat it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from nastk.evaluators import EvaluationFailed, Pruned, Report
from nastk.executors import Result
from nastk.runs.trials import Row, State
from nastk.study.proposal import Proposal
from nastk.study.study import SearchStudy


@dataclass(eq=False)
class InFlight:
    """A proposal on its way to a result.

    Attributes:
        proposal: what the controller proposed.
        start: when it did, by the monotonic clock.
        metrics: what is known of it: its cost, and what it had reached where it was stopped.
        row: its result, as soon as it is recorded.
        duplicates: later proposals of the same key, which take its result.
    """

    proposal: Proposal
    start: float = field(default_factory=time.monotonic)
    metrics: dict[str, float] = field(default_factory=dict)
    row: Row | None = None
    duplicates: list[InFlight] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Equal for networks that are the same."""
        return self.proposal.genotype.key

    @property
    def seconds(self) -> float:
        """Seconds since it was proposed."""
        return time.monotonic() - self.start

    def report_to(self, study: SearchStudy, last_epoch: int | None) -> Report:
        """Returns what its epochs are reported to, which raises `Pruned` where the study's pruner stops it.

        Args:
            study: that it belongs to.
            last_epoch: after which it is not stopped: it has its result then, and nothing is saved.
        """
        stopping = study.early_stopping(self.proposal, self.metrics)

        def report(epoch: int, accuracy: float) -> None:
            why = stopping.should_stop(epoch, accuracy)
            if why is not None and epoch != last_epoch:
                self.metrics.update(accuracy=accuracy, epochs=epoch)
                raise Pruned(why)

        return report

    def record(self, study: SearchStudy, result: Result) -> Row:
        """Records what became of it; the study is not told yet."""
        if isinstance(result, Pruned | EvaluationFailed):
            state: State = "pruned" if isinstance(result, Pruned) else "failed"
            self.row = study.record_stopped(self.proposal, state, self.metrics, self.seconds, str(result))
        else:
            self.row = study.record_complete(self.proposal, {**self.metrics, **result}, self.seconds)
        return self.row

    def with_duplicates(self, study: SearchStudy) -> Iterator[tuple[Proposal, Row]]:
        """Records its duplicates; yields what the study is to be told: it, which has its row, and them."""
        assert self.row is not None
        yield self.proposal, self.row
        for other in self.duplicates:
            yield other.proposal, study.record_duplicate(other.proposal, self.row, other.seconds)
