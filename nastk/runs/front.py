"""pareto.json, the candidates that a search ends with, the best first, and best.json, the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.outside import read_json, shortened
from nastk.runs.candidate import Candidate, read_candidate
from nastk.runs.schema import SCHEMA, read_object
from nastk.runs.trials import Row

PARETO, BEST = "pareto.json", "best.json"


def write_choice(folder: Path, rows: Sequence[Row], objective: Objective) -> Row | None:
    """Writes pareto.json and best.json from the trained candidates; returns the best row, None if none was trained.

    The best is the one that is first in the objective's first metric: the most accurate that meets the limits.
    """
    trained = [(row, row.metrics) for row in rows if row.state == "complete"]
    if not trained:
        return None
    front = objective.front(trained)
    write_json(
        folder / PARETO,
        {"schema": SCHEMA, "objectives": _objectives(objective), "candidates": [_candidate(row) for row in front]},
    )
    write_json(folder / BEST, {"schema": SCHEMA, **_candidate(front[0])})
    return front[0]


def chosen(folder: Path, top: int = 1) -> list[tuple[str, Genotype]]:
    """Returns key and genotype of the best candidate of a run, then of the next most accurate on the Pareto front.

    Raises:
        UserError: the run has no result yet, or its files are damaged.
    """
    path = folder / PARETO
    if not path.exists():
        raise UserError(f"{path}: missing; no candidate of this run was trained yet, let the search finish first")
    data = read_json(path)
    try:
        entries = [(str(entry["key"]), Genotype.from_dict(entry["genotype"])) for entry in data["candidates"]]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (KeyError, TypeError):
        raise UserError(f"{path}: damaged; continue the search to write it anew") from None
    for key, genotype in entries:
        if genotype.key != key:
            raise UserError(f"{path}: the genotype of {key!r} has the key {genotype.key!r}; the file was changed")
    if not entries:
        raise UserError(f"{path}: no candidates; continue the search to write it anew")
    return entries[:top]


def read_front(folder: Path) -> tuple[Candidate, ...]:
    """Returns the Pareto front, the best first; empty where there is none yet. Raises UserError if malformed."""
    path = folder / PARETO
    if not path.exists():
        return ()
    entries = read_object(path).get("candidates")
    if not isinstance(entries, list):
        raise UserError(f"{path}: candidates {shortened(entries)}, expected a list")
    return tuple(read_candidate(entry, f"{path}: candidate {index}") for index, entry in enumerate(entries))


def read_best(folder: Path) -> Candidate | None:
    """Returns the chosen candidate, None where there is none yet. Raises UserError if malformed."""
    path = folder / BEST
    return read_candidate(read_object(path), str(path)) if path.exists() else None


def _objectives(objective: Objective) -> list[dict[str, str]]:
    return [
        {"metric": name, "direction": direction}
        for name, direction in zip(objective.names, objective.directions, strict=True)
    ]


def _candidate(row: Row) -> dict[str, Any]:
    return {"number": row.number, "key": row.key, "genotype": dict(row.genotype), "metrics": dict(row.metrics)}
