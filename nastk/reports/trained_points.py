"""The networks that a transfer trained in full, baselines among them, as points beside the candidates of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nastk.outside import number_in
from nastk.reports.figures import LIGHT, Chart
from nastk.runs.contents import Run
from nastk.runs.ranking import Ranked, read_ranking

SEARCHED, BASELINE = (
    ("s", "series3", "searched network, trained in full"),
    ("^", "series4", "baseline, trained in full"),
)


@dataclass(frozen=True)
class TrainedPoint:
    """A network that was trained in full: what it is called, its cost, and its accuracy on held-out images, 0 to 1."""

    name: str
    baseline: bool
    cost: float
    accuracy: float


def trained_points(run: Run, cost: str) -> list[TrainedPoint]:
    """Returns the ranked networks of a run with baselines; those whose cost is not known are left out.

    The latency is that of the untrained network on the target, as for the candidates of the search.

    Args:
        run: its folder has the ranking.
        cost: "latency_ms", "params", ...

    Raises:
        UserError: the ranking is damaged.
    """
    if not run.baselines:
        return []
    known = [(entry, _cost(run, entry, cost)) for entry in read_ranking(run.folder)]
    return [
        TrainedPoint(entry.baseline or entry.key[:8], entry.baseline is not None, value, entry.validation_accuracy)
        for entry, value in known
        if value is not None
    ]


def draw_trained(chart: Chart, points: Sequence[TrainedPoint], unit: float) -> None:
    """Draws the points, squares for what was searched and triangles for baselines, each with its name beside it."""
    labelled: set[str] = set()
    for point in points:
        marker, role, label = BASELINE if point.baseline else SEARCHED
        x, y = point.cost / unit, 100 * point.accuracy
        chart.axes.plot(
            [x],
            [y],
            linestyle="none",
            marker=marker,
            markersize=9,
            color=LIGHT[role],
            markeredgecolor=LIGHT["paper"],
            label="_" if label in labelled else label,
            zorder=5,
            clip_on=False,
            gid=chart.tip(f"{point.name}: {label}, {y:.2f} % on held-out images"),
        )
        chart.axes.annotate(
            point.name, (x, y), xytext=(7, -3), textcoords="offset points", fontsize=8, color=LIGHT["ink"], zorder=5
        )
        labelled.add(label)


def _cost(run: Run, entry: Ranked, cost: str) -> float | None:
    own = {"latency_ms": entry.latency_ms, "params": entry.params}
    if own.get(cost) is not None:
        return own[cost]
    return number_in(run.exports.get(entry.key, {}), cost, str(run.folder / "export" / entry.key / "manifest.json"))
