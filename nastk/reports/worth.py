"""What a search ranked its candidates by, as a page and its charts call it: accuracy in percent, or a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nastk.objective import ACCURACY, SCORE, SCORE_SECONDS
from nastk.runs.candidate import Candidate


@dataclass(frozen=True)
class Worth:
    """How a measure of candidates is told.

    Attributes:
        metric: its name in a candidate's metrics.
        name: in running text.
        axis: what an axis says.
        done: what became of the candidates.
        factor: from the metric to what is shown.
    """

    metric: str
    name: str
    axis: str
    done: str
    factor: float

    def shown(self, metrics: Mapping[str, float]) -> float:
        """Returns the number that is drawn."""
        return self.factor * metrics[self.metric]

    def known(self, metrics: Mapping[str, float]) -> bool:
        """Says whether a candidate has it."""
        return self.metric in metrics

    def told(self, metrics: Mapping[str, float]) -> str:
        """Returns the number in words."""
        value = self.shown(metrics)
        return f"accuracy {value:.2f} %" if self.metric == ACCURACY else f"score {value:.5g}"


BY_ACCURACY = Worth(ACCURACY, "accuracy", "accuracy in the search (%)", "trained", 100.0)
BY_SCORE = Worth(SCORE, "score", "score of the untrained network", "scored", 1.0)
BY_SHARED = Worth(ACCURACY, "accuracy", "accuracy with shared weights (%)", "judged", 100.0)


def worth_of(candidates: Sequence[Candidate]) -> Worth:
    """Returns what candidates are ranked by: where none was trained the score, or the accuracy of inherited weights."""
    if not candidates:
        return BY_ACCURACY
    if not any(ACCURACY in candidate.metrics for candidate in candidates):
        return BY_SCORE
    return BY_SHARED if all(SCORE_SECONDS in candidate.metrics for candidate in candidates) else BY_ACCURACY
