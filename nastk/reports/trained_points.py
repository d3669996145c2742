"""The networks that a transfer trained in full, baselines among them, as points beside the candidates of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nastk.outside import number_in
from nastk.reports.figures import LIGHT, Chart
from nastk.runs.contents import Run
from nastk.runs.ranking import Ranked, read_ranking

SEARCHED = "s"
BASELINES = ("^", "D", "v", "P", "X", ">")  # one after the other, so that colour alone tells nothing


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
    """Draws squares for what was searched, and for each baseline a marker of its own that the legend names."""
    names = [point.name for point in points if point.baseline]
    labelled: set[str] = set()
    for point in points:
        marker = BASELINES[names.index(point.name) % len(BASELINES)] if point.baseline else SEARCHED
        label = f"baseline {point.name}" if point.baseline else "searched, trained in full"
        chart.axes.plot(
            [point.cost / unit],
            [100 * point.accuracy],
            linestyle="none",
            marker=marker,
            markersize=8,
            color=LIGHT["series4" if point.baseline else "series3"],
            markeredgecolor=LIGHT["paper"],
            label="_" if label in labelled else label,
            zorder=5,
            clip_on=False,
            gid=chart.tip(f"{point.name}, trained in full: {100 * point.accuracy:.2f} % on held-out images"),
        )
        labelled.add(label)


def _cost(run: Run, entry: Ranked, cost: str) -> float | None:
    own = {"latency_ms": entry.latency_ms, "params": entry.params}
    if own.get(cost) is not None:
        return own[cost]
    return number_in(run.exports.get(entry.key, {}), cost, str(run.folder / "export" / entry.key / "manifest.json"))
