"""Writes a sweep's report: curves with confidence bands, a table a budget, and a sentence on each controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from nastk.console import visible
from nastk.errors import UserError
from nastk.files import write_bytes, write_json, write_text
from nastk.reports.curves import Floats
from nastk.reports.figures import Chart, add_legend, new_chart, percent, series_colour, to_png, to_svg
from nastk.reports.page import card, header, page, paragraph, table
from nastk.reports.sweep_files import Setup, read_sweep
from nastk.reports.sweep_jobs import SweptJob, fronts_chart, jobs_json, jobs_rows, read_jobs
from nastk.runs.sweep_jobs import read_notes
from nastk.stats.paired_tests import Comparison, Conclusion, bootstrap_band, budgets, compare, conclusion

SCHEMA = 1
BASELINE = "random"
METHOD = (
    "Mean and standard deviation over seeds of the best accuracy so far, in percent; the chart's bands are 95 % "
    "bootstrap intervals of the mean. p is one-sided, from a sign-flip permutation test on the seeds shared with "
    "random (exact up to 16 seeds, drawn at random above); each controller and budget is tested by itself."
)


@dataclass(frozen=True)
class Entry:
    """A controller of a setup: its curves by seed, and how it compares with random (None for random itself)."""

    name: str
    curves: dict[int, Floats]
    comparisons: Sequence[Comparison]
    conclusion: Conclusion | None

    @property
    def matrix(self) -> Floats:
        """The curves cut to the shortest, shape (seeds, evaluations)."""
        shortest = min(len(curve) for curve in self.curves.values())
        return np.stack([curve[:shortest] for curve in self.curves.values()])


def write_sweep_report(folder: Path) -> Path:
    """Writes sweep.html, sweep.json and sweep.png (sweep-2.png ... for further setups) into a sweep's folder.

    Args:
        folder: holds run folders, each with trials.jsonl and config.yaml, directly or one level below.

    Returns:
        the path of sweep.html.

    Raises:
        UserError: there is no run, or one cannot be read or compared; names the file. What a sweep's own jobs lack,
            the page says instead.
    """
    noted, jobs, why = bool(read_notes(folder)), read_jobs(folder), None
    try:
        found = read_sweep(folder, [job.note.run for job in jobs if not job.ended_well and noted])
    except UserError as error:
        if not noted:
            raise
        found, why = [], f"The controllers are not compared: {error}"
    setups = [(setup, _entries(setup)) for setup in found]
    charts = [_chart(setup, entries) for setup, entries in setups]
    runs = sum(len(entry.curves) for _, entries in setups for entry in entries)
    body = [header(f"Sweep {folder.resolve().name}", f"{runs} runs"), *_jobs(jobs, noted, why)]
    for index, ((setup, entries), chart) in enumerate(zip(setups, charts, strict=True)):
        said = "".join(paragraph(sentence) for sentence in sentences(entries))
        body.append(card(f"Setup: {setup.name}" if setup.name else "Result", said))
        body.append(card("Best accuracy so far", to_svg(chart, f"sweep{index}")))
        body.append(card("Budgets", _tables(entries), paragraph(METHOD, "dim small")))
    data = {"schema": SCHEMA, "jobs": jobs_json(jobs), "setups": [_json(setup, entries) for setup, entries in setups]}
    html = page(f"{folder.resolve().name}: nastk sweep", body)
    for index, chart in enumerate(charts):
        write_bytes(folder / (f"sweep-{index + 1}.png" if index else "sweep.png"), to_png(chart))
    write_json(folder / "sweep.json", data)
    write_text(folder / "sweep.html", visible(html))
    return folder / "sweep.html"


def _jobs(jobs: Sequence[SweptJob], noted: bool, why: str | None) -> list[str]:
    heads, rows = jobs_rows(jobs)
    bad = sum(not job.ended_well for job in jobs) if noted else 0
    said = paragraph(f"{bad} of {len(jobs)} jobs did not end well.") if bad else ""
    fronts = fronts_chart(jobs)
    best, state, run = range(len(heads) - 3, len(heads))
    for job, row in zip(jobs, rows, strict=True):
        row[state] = job.note.state  # why stands below the table, which it would make too wide
    why_bad = [paragraph(f"job {job.note.number}: {job.note.reason}") for job in jobs if job.note.reason]
    return [
        card("Jobs", said, table(heads, rows, left=(1, best, state, run), wrap=(1, run)), *why_bad),
        card("Fronts", to_svg(fronts, "fronts")) if fronts is not None else "",
        card("Comparison", paragraph(why)) if why else "",
    ]


def sentences(entries: Sequence[Entry]) -> list[str]:
    """Returns one plain sentence a controller."""
    if all(entry.name != BASELINE for entry in entries):
        names = ", ".join(entry.name for entry in entries)
        return [
            f"No run of this setup is a random search, so nothing says whether {names} is better than chance: "
            "add controller=random."
        ]
    found = [entry.conclusion.sentence for entry in entries if entry.conclusion is not None]
    return found or ["Only random search was run; there is nothing to compare."]


def _entries(setup: Setup) -> list[Entry]:
    baseline = setup.controllers.get(BASELINE)
    entries = []
    for name, curves in setup.controllers.items():
        if baseline is None or name == BASELINE:
            entries.append(Entry(name, dict(curves), (), None))
        else:
            found = compare(dict(curves), dict(baseline))
            entries.append(Entry(name, dict(curves), found, conclusion(name, BASELINE, found)))
    return entries


def _chart(setup: Setup, entries: Sequence[Entry]) -> Chart:
    label = f"Best accuracy so far of {', '.join(entry.name for entry in entries)}"
    chart = new_chart("trained candidates", "best accuracy so far (%)", label, wide=True)
    bands = [bootstrap_band(entry.matrix) for entry in entries]
    for index, (entry, band) in enumerate(zip(entries, bands, strict=True)):
        turns, colour = np.arange(1, len(band.mean) + 1), series_colour(index)
        seeds = len(entry.curves)
        chart.axes.fill_between(turns, percent(band.low), percent(band.high), color=colour, alpha=0.16, linewidth=0)
        chart.axes.plot(
            turns,
            percent(band.mean),
            color=colour,
            linewidth=2,
            linestyle="--" if entry.name == BASELINE else "-",
            label=f"{entry.name} ({seeds} seed{'s' * (seeds != 1)})",
        )
    # The first few candidates say nothing of a controller, but would take most of the height.
    low = min(float(band.low[min(len(band.low) - 1, max(1, len(band.low) // 10))]) for band in bands)
    high = max(float(band.high[-1]) for band in bands)
    margin = max((high - low) * 0.05, 0.0005)
    chart.axes.set_ylim(100 * (low - margin), 100 * (high + margin))
    chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    chart.axes.set_xlim(1, max(2, *(len(band.mean) for band in bands)))
    add_legend(chart, columns=3)
    return chart


def _tables(entries: Sequence[Entry]) -> str:
    lines = {entry.name: {line["evaluations"]: line for line in _budgets(entry)} for entry in entries}
    steps = sorted({step for line in lines.values() for step in line})
    means = [[name, *(_mean(line.get(step)) for step in steps)] for name, line in lines.items()]
    parts = [
        paragraph("Accuracy after so many trained candidates", "dim"),
        table(["controller", *map(str, steps)], means),
    ]
    compared = {entry.name: {found.evaluations: found for found in entry.comparisons} for entry in entries}
    gains = [[name, *(_gain(found.get(step)) for step in steps)] for name, found in compared.items() if found]
    if gains:
        parts += [
            paragraph("Gain over random on shared seeds, in points", "dim"),
            table(["controller", *map(str, steps)], gains),
        ]
    return "".join(parts)


def _mean(line: dict[str, Any] | None) -> str:
    if line is None:
        return "-"
    return f"{100 * line['mean']:.2f}" + ("" if line["std"] is None else f" ± {100 * line['std']:.2f}")


def _gain(comparison: Comparison | None) -> str:
    return "-" if comparison is None else f"{100 * comparison.difference:+.2f} (p {comparison.p:.2g})"


def _budgets(entry: Entry) -> list[dict[str, Any]]:
    matrix = entry.matrix
    steps = {*budgets(matrix.shape[1]), *(comparison.evaluations for comparison in entry.comparisons)}
    return [
        {
            "evaluations": step,
            "mean": float(matrix[:, step - 1].mean()),
            "std": float(matrix[:, step - 1].std(ddof=1)) if len(matrix) > 1 else None,
            "seeds": len(matrix),
        }
        for step in sorted(steps)
        if step <= matrix.shape[1]
    ]


def _json(setup: Setup, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "name": setup.name,
        "baseline": BASELINE if any(entry.name == BASELINE for entry in entries) else None,
        "controllers": [
            {
                "name": entry.name,
                "seeds": list(entry.curves),
                "budgets": _budgets(entry),
                "against_random": [asdict(comparison) for comparison in entry.comparisons],
                "finding": entry.conclusion.finding if entry.conclusion else None,
                "sentence": entry.conclusion.sentence if entry.conclusion else None,
            }
            for entry in entries
        ],
    }
