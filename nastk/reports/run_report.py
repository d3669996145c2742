"""Writes a run's report: report.html, pareto.png and the drawings of the best cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.console import visible
from nastk.files import cannot_write, write_bytes, write_text
from nastk.reports import sections
from nastk.reports.answer import answer
from nastk.reports.audit_section import audit_section
from nastk.reports.bench_section import bench
from nastk.reports.charts import FEWEST_FOR_RANDOM, cost_axis, pareto_chart, search_chart
from nastk.reports.data_section import images_section
from nastk.reports.drawn_networks import drawn_networks, hovered
from nastk.reports.figures import to_png, to_svg
from nastk.reports.final_table import FinalRow, final_table
from nastk.reports.fusion_section import fusion
from nastk.reports.mistakes_section import mistakes
from nastk.reports.page import card, header, page, paragraph
from nastk.reports.run_config import limits, parse_config
from nastk.reports.time_section import time_section
from nastk.reports.tips import templates
from nastk.reports.training_section import training_section
from nastk.reports.worth import worth_of
from nastk.runs.contents import Run, read_run
from nastk.runs.failed import failure_lines
from nastk.runs.folder import DATA
from nastk.runs.schema import read_object
from nastk.runs.shown import read_shown

RANDOM_ORDER = (
    "Dashed: what the same candidates would give on average in random order; shaded: nine of ten such orders. Below "
    "them, the later candidates were better than the early ones, as when a controller learns."
)


def write_report(run: Path, missing: str | None = None) -> Path:
    """Writes report.html, pareto.png and cells/<key>-<cell>.svg into a run folder, of what it holds so far.

    Everything is read and drawn before anything is written; the same folder gives the same files.

    Args:
        run: the run folder; only trials.jsonl must be there.
        missing: why there is no more to show of the images than lies there, None where that is all.

    Returns:
        the path of report.html, one page that needs no other file and no network.

    Raises:
        UserError: a file is missing, malformed or cannot be written; names file and line.
    """
    found = read_run(run)
    config = parse_config(found.config_text, run / "config.yaml") if found.config_text is not None else {}
    rows = final_table(found)
    drawings = drawn_networks(found, rows)
    pareto = pareto_chart(found, limits(config))
    drawn = _charts(found, to_svg(pareto, "pareto")), _cells(list(drawings.values())) + templates(hovered(found))
    images = _images(found, missing)
    html = page(f"{found.name}: nastk report", _sections(found, config, rows, *drawn, *images))
    write_bytes(run / "pareto.png", to_png(pareto))
    _write_drawings(run / "cells", drawings)
    write_text(run / "report.html", visible(html))
    return run / "report.html"


def _sections(
    run: Run,
    config: Mapping[str, Any],
    rows: Sequence[FinalRow],
    charts: str,
    drawings: str,
    mistaken: str,
    data: str,
) -> list[str]:
    """Returns the page's parts from top to bottom; empty ones where the folder holds nothing of the kind."""
    return [
        header(run.name, sections.subtitle(run, config)),
        answer(run, config, rows),
        charts,
        sections.networks(rows, failure_lines(run.folder)),
        sections.precisions(run, rows),
        fusion(run, rows),
        mistaken,
        card("Best networks", drawings),
        training_section(run),
        audit_section(run.audit),
        sections.states(run),
        data,
        time_section(run),
        sections.next_steps(run, rows),
        bench(run),
        sections.reproduction(run, config),
        sections.machine(run, config),
        sections.configuration(run),
    ]


def _images(run: Run, missing: str | None) -> tuple[str, str]:
    """Returns the sections on the file's mistakes and on the images."""
    shown, record = read_shown(run.folder), run.folder / DATA
    return mistakes(shown, missing if run.exports else None), images_section(
        read_object(record) if record.exists() else None, shown
    )


def _charts(run: Run, pareto: str) -> str:
    if not run.trained:
        return ""
    told = paragraph(RANDOM_ORDER, "dim small") if len(run.trained) >= FEWEST_FOR_RANDOM else ""
    curve = card("Search", to_svg(search_chart(run), "search"), told)
    if cost_axis(run) is None:
        return curve
    note = "Point at a mark, or reach it with Tab, to see its network."
    heading = f"{worth_of(run.trained).name.capitalize()} and cost"
    return f'<div class="pair">{card(heading, pareto, paragraph(note, "dim small"))}{curve}</div>'


def _cells(drawings: Sequence[str]) -> str:
    inner = "".join(f'<div class="scroll">{drawing}</div>' for drawing in drawings)
    return f'<div class="cells">{inner}</div>' if inner else ""


def _write_drawings(folder: Path, drawings: dict[str, str]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.svg"):
            if old.name not in drawings:
                old.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from None
    for name, text in drawings.items():
        write_text(folder / name, text)
