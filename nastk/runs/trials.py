"""The search's public files: trials.jsonl, trials.csv, pareto.json and best.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from nastk.console import visible
from nastk.errors import UserError
from nastk.files import append_line, write_json, write_text
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.outside import ROWS, parse_json, read_bytes, read_json
from nastk.runs.rows import Row

SCHEMA = 1


def append_row(folder: Path, row: Row) -> None:
    """Adds a line to trials.jsonl; raises UserError where it cannot be written."""
    append_line(folder / "trials.jsonl", json.dumps(row.to_dict()))


def check_rows(folder: Path, rows: Sequence[Row], without_result: Collection[int] = ()) -> None:
    """Checks that the study has what trials.jsonl has, before that is written anew; unreadable lines say nothing.

    Args:
        folder: of the run.
        rows: of all trials of the study that have their outcome.
        without_result: numbers of others, which another program or the death of their driver has ended.

    Raises:
        UserError: a trial is missing or another one; the study is another run's, or was removed.
    """
    path = folder / "trials.jsonl"
    known = {row.number: (row.key, row.state) for row in rows}
    for line in read_bytes(path, ROWS).split(b"\n") if path.exists() else ():
        try:
            told = parse_json(line.decode(), str(path))
            number, there = told["number"], (told["key"], told["state"])
        except (UserError, UnicodeDecodeError, TypeError, KeyError):
            continue
        if known.get(number) != there and number not in without_result:
            raise UserError(
                f"{path}: has trial {number} as {there[1]}, which the study has not; it is of another run, or was "
                "renamed or removed: put back a copy, or give another run="
            )


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Writes trials.jsonl and trials.csv anew from the study's rows."""
    write_text(folder / "trials.jsonl", "".join(json.dumps(row.to_dict()) + "\n" for row in rows))
    metrics = sorted({name for row in rows for name in row.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", "key", *metrics, "seconds", "reason"])
    for row in rows:
        values = [row.metrics.get(name, "") for name in metrics]
        writer.writerow([row.number, row.state, row.key, *values, round(row.seconds, 3), visible(row.reason)])
    write_text(folder / "trials.csv", text.getvalue())


def write_choice(folder: Path, rows: Sequence[Row], objective: Objective) -> Row | None:
    """Writes pareto.json and best.json from the trained candidates; returns the best row, None if none was trained.

    The best is the one that is first in the objective's first metric: the most accurate that meets the limits.
    """
    trained = [(row, row.metrics) for row in rows if row.state == "complete"]
    if not trained:
        return None
    front = objective.front(trained)
    write_json(
        folder / "pareto.json",
        {"schema": SCHEMA, "objectives": _objectives(objective), "candidates": [_candidate(row) for row in front]},
    )
    write_json(folder / "best.json", {"schema": SCHEMA, **_candidate(front[0])})
    return front[0]


def chosen(folder: Path, top: int = 1) -> list[tuple[str, Genotype]]:
    """Returns key and genotype of the best candidate of a run, then of the next most accurate on the Pareto front.

    Raises:
        UserError: the run has no result yet, or its files are damaged.
    """
    path = folder / "pareto.json"
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


def _objectives(objective: Objective) -> list[dict[str, str]]:
    return [
        {"metric": name, "direction": direction}
        for name, direction in zip(objective.names, objective.directions, strict=True)
    ]


def _candidate(row: Row) -> dict[str, Any]:
    return {"number": row.number, "key": row.key, "genotype": dict(row.genotype), "metrics": dict(row.metrics)}
