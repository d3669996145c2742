"""A finished trial as a row, which trials.jsonl holds a line of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = 1

State = Literal["complete", "duplicate", "rejected", "pruned", "failed"]


@dataclass(frozen=True)
class Row:
    """One finished trial, a line of trials.jsonl.

    Attributes:
        number: Optuna's, from 0.
        state: what became of it; a duplicate has the metrics of the trial that it repeats.
        key: the genotype's canonical key.
        genotype: in its JSON form.
        metrics: of the evaluator and the cost; what was measured before a rejection or failure.
        seconds: from proposal to result.
        reason: why it was rejected, pruned or failed, or which trial it repeats.
        choices: the controller's choices by name.
    """

    number: int
    state: State
    key: str
    genotype: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: float
    reason: str
    choices: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns the line of trials.jsonl."""
        return {
            "schema": SCHEMA,
            "number": self.number,
            "state": self.state,
            "key": self.key,
            "genotype": dict(self.genotype),
            "metrics": dict(self.metrics),
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
            "choices": dict(self.choices),
        }
