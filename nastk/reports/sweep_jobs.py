"""The jobs of a sweep, one by one: settings, state, best candidate, and the fronts of all in one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nastk.reports.charts import COSTS, UNITS
from nastk.reports.figures import Chart, add_legend, new_chart, series_colour
from nastk.runs.candidate import Candidate
from nastk.runs.contents import read_run
from nastk.runs.sweep_jobs import COMPLETE, JobNote, read_notes
from nastk.runs.trials import TRIALS

MARKERS = "os^Dvph*"


@dataclass(frozen=True)
class SweptJob:
    """A job of a sweep and what it found.

    Attributes:
        note: what the job itself noted; made from the run folder where there is none.
        told: the settings that tell it from the sweep's other jobs, e.g. "controller=random seed=0".
        trained: how many candidates.
        best: None before one was trained.
        points: of all trained candidates.
    """

    note: JobNote
    told: str
    trained: int
    best: Candidate | None
    points: tuple[Candidate, ...]

    @property
    def ended_well(self) -> bool:
        """Whether the job's search came to its end."""
        return self.note.state == COMPLETE


def read_jobs(folder: Path) -> list[SweptJob]:
    """Returns a sweep's jobs by number; without notes, as of a folder put together by hand, its run folders."""
    notes = read_notes(folder)
    if not notes:
        runs = sorted(path.parent for path in folder.glob(f"*/{TRIALS}"))
        notes = [
            JobNote(index, (run.name,), COMPLETE if (run / "best.json").exists() else "running", run=run.name)
            for index, run in enumerate(runs)
        ]
    common = set.intersection(*(set(note.overrides) for note in notes)) if len(notes) > 1 else set()
    return [_read(folder, note, common) for note in notes]


def jobs_json(jobs: Sequence[SweptJob]) -> list[dict[str, Any]]:
    """Returns the jobs as sweep.json has them."""
    return [
        {
            "number": job.note.number,
            "overrides": list(job.note.overrides),
            "state": job.note.state,
            "reason": job.note.reason,
            "run": job.note.run or None,
            "trained": job.trained,
            "best": None
            if job.best is None
            else {"number": job.best.number, "key": job.best.key, "metrics": dict(job.best.metrics)},
        }
        for job in jobs
    ]


def jobs_rows(jobs: Sequence[SweptJob]) -> tuple[list[str], list[list[str]]]:
    """Returns heads and cells of the table of jobs."""
    cost = _cost(jobs)
    heads = ["job", "settings", "trained", "accuracy (%)", *([COSTS[cost]] if cost else []), "best", "state", "run"]
    rows = []
    for job in jobs:
        metrics: Mapping[str, float] = job.best.metrics if job.best is not None else {}
        state = f"{job.note.state}: {job.note.reason}" if job.note.reason else job.note.state
        rows.append(
            [
                str(job.note.number),
                job.told,
                str(job.trained),
                f"{100 * metrics['accuracy']:.2f}" if "accuracy" in metrics else "-",
                *([f"{metrics[cost] / UNITS.get(cost, 1.0):.4g}" if cost in metrics else "-"] if cost else []),
                f"trial {job.best.number}" if job.best is not None else "-",
                state,
                job.note.run,
            ]
        )
    return heads, rows


def jobs_text(jobs: Sequence[SweptJob]) -> str:
    """Returns the table of jobs for a terminal."""
    heads, rows = jobs_rows(jobs)
    rows = [[shortened(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [heads, *rows]) for column in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def shortened(text: str, longest: int = 80) -> str:
    """Returns the beginning of a long text."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def fronts_chart(jobs: Sequence[SweptJob]) -> Chart | None:
    """Draws each job's front of accuracy against cost, a colour for all seeds of one setup; None without a cost."""
    cost = _cost(jobs)
    shown = [job for job in jobs if job.points]
    if cost is None or not shown:
        return None
    chart = new_chart(COSTS[cost], "accuracy in the search (%)", f"Fronts of {len(shown)} searches", wide=True)
    labels = list(dict.fromkeys(_setup(job) for job in shown))
    for job in shown:
        index = labels.index(_setup(job))
        front = _front(job.points, cost)
        xs = [candidate.metrics[cost] / UNITS.get(cost, 1.0) for candidate in front]
        ys = [100 * candidate.metrics["accuracy"] for candidate in front]
        colour, first = series_colour(index), job is next(one for one in shown if _setup(one) == labels[index])
        chart.axes.step(xs, ys, where="post", color=colour, linewidth=1.4, alpha=0.55, zorder=3)
        chart.axes.plot(
            xs,
            ys,
            linestyle="none",
            marker=MARKERS[index % len(MARKERS)],
            markersize=6,
            color=colour,
            label=labels[index] if first else None,
            zorder=4,
            gid=chart.tip(f"job {job.note.number}: {job.told}"),
        )
    add_legend(chart, columns=3)
    return chart


def _read(folder: Path, note: JobNote, common: set[str]) -> SweptJob:
    told = " ".join(word.lstrip("+") for word in note.overrides if word not in common)
    place = folder / note.run
    if not note.run or not (place / TRIALS).exists():
        return SweptJob(note, told, 0, None, ())
    run = read_run(place)
    points = tuple(trial for trial in run.trained if trial.accuracy is not None)  # scores share no axis with them
    return SweptJob(note, told, len(run.trained), run.best, points)


def _cost(jobs: Sequence[SweptJob]) -> str | None:
    points = [candidate for job in jobs for candidate in job.points]
    return next((name for name in COSTS if points and all(name in one.metrics for one in points)), None)


def _front(points: Sequence[Candidate], cost: str) -> list[Candidate]:
    front: list[Candidate] = []
    for candidate in sorted(points, key=lambda one: (one.metrics[cost], -one.metrics["accuracy"])):
        if not front or candidate.metrics["accuracy"] > front[-1].metrics["accuracy"]:
            front.append(candidate)
    return front


def _setup(job: SweptJob) -> str:
    words = [word for word in job.told.split() if not word.startswith("seed=")]
    return " ".join(words) or "search"
