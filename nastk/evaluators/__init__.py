"""Evaluators say how good a genotype is; what they promise, and how they say that a candidate has no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nastk.genotype import Genotype

Report = Callable[[int, float], None]


class EvaluationFailed(Exception):  # noqa: N818 - it is an outcome of a trial, recorded as "failed"
    """A candidate that gives no result: it diverged, ran out of memory or of time.

    Attributes:
        reason: in one line, what the trial's record says.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())
        super().__init__(self.reason)


class Pruned(Exception):  # noqa: N818 - as above, recorded as "pruned"
    """Raised by a `Report` to end the evaluation of a candidate that is not worth more epochs."""


class Evaluator(Protocol):
    """Anything that scores genotypes."""

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Scores one genotype.

        Args:
            genotype: the candidate.
            report: is called after each epoch with the number of epochs done and the validation accuracy (0..1).

        Returns:
            Metrics by name, "accuracy" (0..1) among them.

        Raises:
            EvaluationFailed: this candidate has no result; others may have one.
            Pruned: `report` raised it.
        """
        ...
