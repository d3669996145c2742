"""The section of a run's page on the latencies in bench.json, of the files that the exports still have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.reports.page import folded, paragraph, table
from nastk.reports.table_text import NONE
from nastk.runs.contents import Run
from nastk.runs.schema import Object
from nastk.stats.steadiness import doubt


def bench(run: Run) -> str:
    """Returns the measured latencies of bench.json, one line a measurement, with the columns that it has."""
    every = run.bench.measurements if run.bench is not None else ()
    entries = [_for_people(entry) for entry in every if not _is_stale(run, entry)]
    left_out = paragraph(
        f"{len(every) - len(entries)} measurements are of files that have been exported anew since: "
        "python -m nastk.bench measures them again.",
        "dim small",
    )
    rows = [flat(entry) for entry in entries]
    heads = list(dict.fromkeys(name for row in rows for name in row))
    lines = [[shown(row.get(name)) for name in heads] for row in rows]
    words = [index for index, name in enumerate(heads) if any(isinstance(row.get(name), str) for row in rows)]
    grid = (table(heads, lines, words) if lines else "") + left_out * (len(entries) < len(every))
    return folded("Measured latencies", grid) if every else ""


def _is_stale(run: Run, entry: Object) -> bool:
    """Whether a measurement is of another file than the export has under that name now."""
    name = Path(str(entry.get("file")))
    files = run.exports.get(name.parent.name, {}).get("files")
    there = files.get(name.name) if isinstance(files, Mapping) else None
    return "sha256" in entry and isinstance(there, Mapping) and there.get("sha256") != entry["sha256"]


def _for_people(entry: Object) -> dict[str, Any]:
    """Leaves out what tells a person nothing; a measurement of before there was a doubt is judged by its numbers."""
    made = {name: value for name, value in entry.items() if name not in ("sha256", "doubt")}
    why = entry.get("doubt")
    numbers = [entry.get(name) for name in ("p50_ms", "min_ms", "spread")]
    if "doubt" not in entry and all(isinstance(number, int | float) for number in numbers):
        why = doubt(*numbers)  # type: ignore[arg-type]
    return {**made, "steady": False, "not trustworthy": why} if why else made


def flat(entry: Object) -> dict[str, Any]:
    """Returns an object with those inside it as names of two words."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            found |= {f"{name} {part}": inner for part, inner in value.items()}
        else:
            found[str(name)] = value
    return found


def shown(value: Any) -> str:
    """Returns a value as a table shows it."""
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)
