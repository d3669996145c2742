"""Writes a run's report: report.html, pareto.png and the drawings of the best cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.console import visible
from nastk.errors import UserError
from nastk.files import cannot_write, write_bytes, write_text
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.objective import SCORE, quality
from nastk.outside import read_json
from nastk.reports import sections
from nastk.reports.audit_section import audit_section
from nastk.reports.bench_section import bench
from nastk.reports.charts import FEWEST_FOR_RANDOM, cost_axis, pareto_chart, search_chart
from nastk.reports.drawings import draw_genotype
from nastk.reports.figures import to_png, to_svg
from nastk.reports.final_table import FinalRow, final_table
from nastk.reports.page import card, header, page, paragraph
from nastk.reports.run_config import limits, parse_config
from nastk.reports.table_text import SHOWN_KEY, share
from nastk.reports.worth import BY_SCORE, worth_of
from nastk.runs.candidate import Candidate
from nastk.runs.contents import Run, read_run

DRAWN = 3
RANDOM_ORDER = (
    "Dashed: what the same candidates would give on average in random order. Below it, the later candidates were "
    "better than the early ones, as when a controller learns; one run proves little, a sweep more."
)


def write_report(run: Path) -> Path:
    """Writes report.html, pareto.png and cells/<key>-<cell>.svg into a run folder, of what it holds so far.

    Everything is read and drawn before anything is written; the same folder gives the same files.

    Args:
        run: the run folder; only trials.jsonl must be there.

    Returns:
        the path of report.html, one page that needs no other file and no network.

    Raises:
        UserError: a file is missing, malformed or cannot be written; names file and line.
    """
    found = read_run(run)
    config = parse_config(found.config_text, run / "config.yaml") if found.config_text is not None else {}
    rows = final_table(found)
    drawings = {
        f"{key}-{name}.svg": drawing
        for key, genotype, title in (*_shipped_other(found, rows), *_titled_candidates(found))
        for name, drawing in draw_genotype(genotype, title).items()
    }
    pareto = pareto_chart(found, limits(config))
    drawn = _charts(found, to_svg(pareto, "pareto")), _cells(list(drawings.values()))
    html = page(f"{found.name}: nastk report", _sections(found, config, rows, *drawn))
    write_bytes(run / "pareto.png", to_png(pareto))
    _write_drawings(run / "cells", drawings)
    write_text(run / "report.html", visible(html))
    return run / "report.html"


def _sections(run: Run, config: Mapping[str, Any], rows: Sequence[FinalRow], charts: str, drawings: str) -> list[str]:
    """Returns the page's parts from top to bottom; empty ones where the folder holds nothing of the kind."""
    return [
        header(run.name, sections.subtitle(run, config)),
        sections.headline(run, rows),
        sections.networks(rows),
        charts,
        audit_section(run.audit),
        card("Best networks", drawings),
        sections.precisions(run, rows),
        sections.states(run),
        sections.next_steps(run, rows),
        bench(run),
        sections.machine(run, config),
        sections.configuration(run),
    ]


def _shipped_other(run: Run, rows: Sequence[FinalRow]) -> list[tuple[str, Genotype, str]]:
    """Returns key, genotype and title of the network to ship, where it is a baseline or narrowed; else nothing."""
    if not rows or not (rows[0].baseline or rows[0].key in run.narrowed):
        return []
    path = run.folder / "transfer" / rows[0].key / "genotype.json"
    if not path.exists():
        return []
    try:
        genotype = Genotype.from_dict(read_json(path))
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    if isinstance(genotype, StageGenotype):  # as it was sized
        size = rows[0].size.numbers
        genotype = Scaling(size.get("width_multiplier", 1.0), size.get("depth_multiplier", 1.0)).genotype(genotype)
    own = rows[0].key[:SHOWN_KEY]
    if not rows[0].baseline:
        of = run.narrowed[rows[0].key][:SHOWN_KEY]
        return [(rows[0].key, genotype, f"{own} (narrowed from {of}, the one to ship)")]
    return [(rows[0].key, genotype, f"{rows[0].baseline} (baseline {own}, the one to ship)")]


def _titled_candidates(run: Run) -> list[tuple[str, Genotype, str]]:
    return [
        (candidate.key, candidate.genotype, _title(candidate, place))
        for place, candidate in enumerate(_best_candidates(run))
    ]


def _best_candidates(run: Run) -> list[Candidate]:
    """The chosen one, then the front, then the best others."""
    others = sorted(run.trained, key=lambda trial: -quality(trial.metrics))
    found: dict[str, Candidate] = {}
    for candidate in ((run.best,) if run.best is not None else ()) + run.front + tuple(others):
        found.setdefault(candidate.key, candidate)
    return list(found.values())[:DRAWN]


def _title(candidate: Candidate, place: int) -> str:
    accuracy = candidate.metrics.get("accuracy")
    told = f", {share(accuracy)} %" if accuracy is not None else ""
    if SCORE in candidate.metrics:
        told = f", {BY_SCORE.told(candidate.metrics)}"
    return f"{candidate.key[:SHOWN_KEY]} (trial {candidate.number}{told}{', chosen' if not place else ''})"


def _charts(run: Run, pareto: str) -> str:
    if not run.trained:
        return ""
    told = paragraph(RANDOM_ORDER, "dim small") if len(run.trained) >= FEWEST_FOR_RANDOM else ""
    curve = card("Search", to_svg(search_chart(run), "search"), told)
    if cost_axis(run) is None:
        return curve
    note = "Rest the mouse on a point to see which candidate it is."
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
