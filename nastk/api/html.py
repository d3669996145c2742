"""What a notebook shows of a run and of a genotype, as HTML that needs no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nastk.console import visible
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.reports.beside import measured, named
from nastk.reports.drawings import draw_genotype
from nastk.reports.final_table import final_table
from nastk.reports.table_text import SHOWN_KEY
from nastk.runs.contents import Run, read_run
from nastk.runs.trials import TRIALS

# A notebook may be light where the system is dark, whose colours the drawings take.
PAPER = (
    "<style>.nastk-paper{overflow-x:auto;background:#fff}"
    "@media (prefers-color-scheme:dark){.nastk-paper{background:#14181f}}</style>"
)
METRICS = {"accuracy": "accuracy", "score": "score", "latency_ms": "latency (ms)", "params": "parameters"}


def genotype_html(genotype: Genotype) -> str:
    """Returns the drawing of a genotype, what it is made of in words where its kind has none."""
    drawings = draw_genotype(genotype, genotype.key[:SHOWN_KEY])
    if drawings:
        return PAPER + "".join(f'<div class="nastk-paper">{drawing}</div>' for drawing in drawings.values())
    return f"<pre>{escape(visible(chr(10).join(genotype.lines())))}</pre>"


def run_html(folder: Path | None) -> str:
    """Returns what a run has come to: its trials, the best candidate, what was trained in full and exported."""
    if folder is None or not (folder / TRIALS).is_file():
        place = "a new folder" if folder is None else str(folder)
        return f"<p><b>nastk run</b> {_text(place)}: nothing searched yet</p>"
    try:
        run = read_run(folder)
        told = [f"{run.name}: {_states(run)}", *_networks(run)]
    except UserError as error:  # a notebook's cell shows it and goes on
        return f"<p><b>nastk run</b> {_text(str(folder))}: {_text(str(error))}</p>"
    first, *more = told
    lines = "".join(f"<li>{_text(line)}</li>" for line in more)
    drawn = genotype_html(run.best.genotype) if run.best is not None else ""
    return f"<div><p><b>nastk run</b> {_text(first)}</p>{_best(run)}<ul>{lines}</ul>{drawn}</div>"


def _states(run: Run) -> str:
    counts = Counter(trial.state for trial in run.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trial yet"


def _best(run: Run) -> str:
    if run.best is None:
        return ""
    found = {title: run.best.metrics[name] for name, title in METRICS.items() if name in run.best.metrics}
    head = "".join(f"<th>{title}</th>" for title in found)
    cells = "".join(f"<td>{value:,.4g}</td>" if value < 1000 else f"<td>{value:,.0f}</td>" for value in found.values())
    return f"<table><tr><th>best</th>{head}</tr><tr><td>trial {run.best.number}</td>{cells}</tr></table>"


def _networks(run: Run) -> Sequence[str]:
    rows = [row for row in final_table(run) if row.stage != "search"]
    return [f"{named(row)}, {row.stage}: {measured(row, row.recommended)}" for row in rows]


def _text(text: str) -> str:
    return escape(visible(text))
