"""Writes the page that compares two runs: what each ships, whether they differ, their fronts, and their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nastk.console import visible
from nastk.errors import UserError
from nastk.files import write_text
from nastk.outside import read_json
from nastk.reports.beside import measured, named
from nastk.reports.compare_charts import beside_charts
from nastk.reports.final_table import FinalRow, final_table
from nastk.reports.page import card, header, page, paragraph, table, warning
from nastk.reports.run_config import controller_name, limits, made_by, parse_config, run_seed
from nastk.reports.table_text import NONE, SHOWN_KEY, count, duration, milliseconds, share, size
from nastk.reports.table_text import limits as told_limits
from nastk.reports.worth import worth_of
from nastk.runs.contents import Run, read_run
from nastk.runs.folder import DATA
from nastk.runs.shown import read_shown
from nastk.runs.steps import read_steps
from nastk.stats.discordant import mcnemar
from nastk.stats.interval import wilson

UNKNOWN = "Whether they differ beyond chance is not known"
SIGNIFICANT = 0.05
MOST_SETTINGS = 60
# What says nothing of how two runs differ.
OWN = ("run", "runs", "made_by", "changes", "images")


@dataclass(frozen=True)
class Side:
    """One of the two runs: its content, settings, and final table."""

    run: Run
    config: Mapping[str, Any]
    rows: list[FinalRow]

    @property
    def best(self) -> FinalRow | None:
        """The network to ship."""
        return self.rows[0] if self.rows else None


def write_comparison(first: Path, second: Path) -> Path:
    """Writes compare-<second>.html into the first run's folder; returns its path.

    Raises:
        UserError: they are one folder, a file is malformed, or the page cannot be written.
    """
    if first.resolve() == second.resolve():
        raise UserError(f"run2={str(second)!r}: is the same folder as run, expected another run")
    sides = _side(first), _side(second)
    names = [side.run.name for side in sides]
    if names[0] == names[1]:
        names = [str(first), str(second)]
    body = [
        header(f"{names[0]} and {names[1]}", "Two runs beside each other"),
        card("Result", *(paragraph(line) for line in _verdict(sides, names)), *map(warning, _cautions(sides))),
        card("Side by side", table(["", *names], _facts(sides), (0,))),
        beside_charts(sides[0].run, sides[1].run, names),
        card("Settings that differ", _settings(sides, names)),
    ]
    path = first / f"compare-{second.resolve().name}.html"
    write_text(path, visible(page(f"{names[0]} and {names[1]}: nastk comparison", body)))
    return path


def _side(folder: Path) -> Side:
    run = read_run(folder)
    config = parse_config(run.config_text, folder / "config.yaml") if run.config_text is not None else {}
    return Side(run, config, final_table(run))


def _verdict(sides: tuple[Side, Side], names: list[str]) -> Iterator[str]:
    """Yields what each ships, and whether one names more images right than chance explains."""
    for side, name in zip(sides, names, strict=True):
        if side.best is None:
            yield f"{name}: no candidate has been trained yet."
        else:
            word = "ships" if side.best.file is not None else "has, not exported yet,"
            yield f"{name} {word} {named(side.best)}: {measured(side.best, side.best.recommended)}."
    found = [read_shown(side.run.folder) for side in sides]
    answers = [shown.answers if shown is not None else None for shown in found]
    one, two = answers
    if one is None or two is None:
        yield f"{UNKNOWN}: a report of each run prepares the answers image by image."
        return
    if not np.array_equal(one.labels, two.labels):
        yield f"{UNKNOWN}: they were asked for other test images."
        return
    right = [part.predicted == part.labels for part in (one, two)]
    only = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    p = mcnemar(*only)
    told = f"{names[0]} alone names {only[0]} of {len(one.labels):,} test images right, {names[1]} alone {only[1]}"
    better = names[int(only[1] > only[0])]
    verdict = f"{better} is better" if p < SIGNIFICANT else "the difference may be chance"
    yield f"{told}: {verdict} (exact McNemar test, p {p:.2g})."


def _cautions(sides: tuple[Side, Side]) -> Iterator[str]:
    """Yields why the numbers may not be comparable."""
    records = [_data(side.run.folder) for side in sides]
    for name in ("name", "size", "channels", "classes"):
        values = [record.get(name) for record in records]
        if all(records) and values[0] != values[1]:
            yield f"They are of other images: {name} {values[0]} and {values[1]}; accuracies are no comparison."
            break
    machines = [made_by(side.config).get("machine") for side in sides]
    if None not in machines and machines[0] != machines[1]:
        yield f"They ran on other machines, {machines[0]} and {machines[1]}: latencies are no comparison."
    worths = [worth_of(side.run.trained).axis for side in sides]
    if worths[0] != worths[1]:
        yield f"Their searches rank by other measures: {worths[0]}, and {worths[1]}."


def _data(folder: Path) -> dict[str, Any]:
    found = read_json(folder / DATA) if (folder / DATA).exists() else {}
    return found if isinstance(found, dict) else {}


def _facts(sides: tuple[Side, Side]) -> list[list[str]]:
    """Returns a row a fact: its name and what it is of each run."""
    columns = [_column(side) for side in sides]
    return [[name, *(column[name] for column in columns)] for name in columns[0]]


def _column(side: Side) -> dict[str, str]:
    best, config = side.best, side.config
    precision = best.recommended or "fp32" if best else "fp32"
    seconds = sum(read_steps(side.run.folder).values())
    value = best.accuracy.get(precision) if best else None
    latency = best.latency_ms.get(precision) if best else None
    low, high = wilson(value, best.test_images) if best and value is not None and best.test_images else (None, None)
    return {
        "network": NONE if best is None else best.baseline or best.key[:SHOWN_KEY],
        "file": best.file.name if best and best.file else NONE,
        "test accuracy (%)": share(value),
        "95 % interval": NONE if low is None else f"{share(low)} to {share(high)}",
        "accuracy in the search (%)": share(best.search_accuracy if best else None),
        "latency p50 (ms)": milliseconds(latency) + " ?" * bool(best and precision in best.doubts),
        "limits": told_limits(best.size.limits if best and best.size.limits else limits(config)),
        "limits kept": NONE if best is None else "no" if best.broken else "yes",
        "parameters": count(best.params if best else None),
        "file size": size(best.size_bytes.get(precision) if best else None),
        "controller": controller_name(config) if config else NONE,
        "seed": str(run_seed(config)) if run_seed(config) is not None else NONE,
        "trials": str(len(side.run.trials)),
        "of these trained": str(len(side.run.trained)),
        "time of all steps": duration(seconds) if seconds else NONE,
    }


def _settings(sides: tuple[Side, Side], names: list[str]) -> str:
    one, two = (dict(_leaves(side.config)) for side in sides)
    differing = [name for name in {**one, **two} if one.get(name) != two.get(name)]
    if not differing:
        return paragraph("None.")
    lines = [[name, one.get(name, NONE), two.get(name, NONE)] for name in differing[:MOST_SETTINGS]]
    more = len(differing) - len(lines)
    left_out = paragraph(f"and {more} more", "dim small") if more else ""
    return table(["setting", *names], lines, (0, 1, 2), wrap=(0, 1, 2)) + left_out


def _leaves(config: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if not prefix and name in OWN:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
