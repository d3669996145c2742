"""A finished trial as a row: what trials.jsonl holds a line of, and how it is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nastk.errors import UserError

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


def finished_rows(folder: Path) -> list[Row]:
    """Reads the rows of a run folder's trials.jsonl.

    Raises:
        UserError: the file is missing, or a line is not a row; names the line.
    """
    path = folder / "trials.jsonl"
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: missing; has the search run? python -m nastk.search +space=nasnet run=...") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
            data.pop("schema")
            rows.append(Row(**data))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UserError(
                f"{path}: line {number} is not a trial; continue the search to write the file anew"
            ) from None
    return rows
