"""Where a run's time went: each step by the clock, and what of it candidates and networks were trained for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from nastk.outside import number_in
from nastk.reports.page import card, paragraph
from nastk.reports.table_text import SHOWN_KEY, duration
from nastk.runs.contents import Run
from nastk.runs.refit import METRICS, REFIT
from nastk.runs.steps import read_steps

TOLD = {
    "search": "search: candidates are timed and trained",
    "transfer": "transfer: sized by measuring, and trained in full",
    "export": "export: calibrated, quantized, checked and timed",
    "bench": "bench: files timed again",
}
NOTE = "By the clock, all sittings together; what a kill cut off is not counted."
RECORDED = "The run is of before steps were timed as a whole: only trials and final trainings are counted."


class Part(NamedTuple):
    """A part of the time: its name, seconds, and whether it is a part of the one above it."""

    name: str
    seconds: float
    inner: bool = False


def time_section(run: Run) -> str:
    """Returns the section; empty where no time is known.

    Raises:
        UserError: steps.jsonl cannot be read, or metrics.json has seconds that are no number.
    """
    steps = read_steps(run.folder)
    parts: list[Part] = []
    for name, told in TOLD.items():
        inner = _inner(run, name)
        known = steps.get(name)
        if known is not None:
            parts.append(Part(told, known))
        parts += [part._replace(inner=known is not None) for part in inner]
    whole = sum(part.seconds for part in parts if not part.inner)
    if not whole:
        return ""
    lines = "".join(_line(part, whole) for part in parts)
    heading = paragraph(f"{duration(whole)} in all.")
    note = paragraph(NOTE if steps else RECORDED, "dim small")
    return card("Where the time went", heading, f'<div class="lines">{lines}</div>', note)


def _inner(run: Run, step: str) -> Sequence[Part]:
    """Returns what is known of the inside of a step."""
    if step == "search":
        trained = sum(trial.metrics.get("train_seconds", 0.0) for trial in run.trials if trial.state == "complete")
        seconds = sum(trial.seconds for trial in run.trials)
        found = [Part(f"{len(run.trials)} trials", seconds), Part("of these in training", trained)]
    elif step == "transfer":
        found = [
            Part(
                f"training {run.baselines.get(key) or key[:SHOWN_KEY]}",
                number_in(metrics, "seconds", str(run.folder / "transfer" / key / "metrics.json")) or 0.0,
            )
            for key, metrics in run.transfers.items()
        ]
        found += [
            Part(
                f"training {run.baselines.get(key) or key[:SHOWN_KEY]} on all images",
                number_in(metrics, "seconds", str(run.folder / REFIT / key / METRICS)) or 0.0,
            )
            for key, metrics in run.refits.items()
        ]
    else:
        found = []
    return [part for part in found if part.seconds]


def _line(part: Part, whole: float) -> str:
    share = min(100 * part.seconds / whole, 100.0)
    kind = "test" if part.inner else "train"
    name = f'<span class="name{" inner" * part.inner}">{escape(part.name)}</span>'
    told = f'<span class="told">{duration(part.seconds)}, {share:.0f} %</span>'
    return f'{name}<span class="counts"><i class="{kind}" style="width:{share:.1f}%"></i></span>{told}'
