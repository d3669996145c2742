"""The networks that a transfer trained in full, baselines among them, as points beside the candidates of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nastk.outside import number_in
from nastk.reports.figures import LIGHT, Chart
from nastk.runs.contents import Run
from nastk.runs.ranking import Ranked, read_ranking
from nastk.runs.shipping import ship_places

SEARCHED = "s"
BASELINES = ("^", "D", "v", "P", "X", ">")  # one after the other, so that colour alone tells nothing


@dataclass(frozen=True)
class TrainedPoint:
    """A network that was trained in full.

    Attributes:
        name: what it is called.
        baseline: whether it is a known network.
        cost: in the unit of the metric.
        accuracy: on held-out images, 0 to 1.
        key: of its genotype.
        ships: whether it is the one to ship.
    """

    name: str
    baseline: bool
    cost: float
    accuracy: float
    key: str = ""
    ships: bool = False


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
    places = ship_places(run.folder)
    return [
        TrainedPoint(
            entry.baseline or entry.key[:8],
            entry.baseline is not None,
            value,
            entry.validation_accuracy,
            entry.key,
            places.get(entry.key) == 1,
        )
        for entry, value in known
        if value is not None
    ]


def draw_trained(chart: Chart, points: Sequence[TrainedPoint], unit: float, short: str = "") -> None:
    """Draws squares for what was searched, for each baseline a marker of its own, and a ring around what ships."""
    names = [point.name for point in points if point.baseline]
    labelled: set[str] = set()
    for point in points:
        marker = BASELINES[names.index(point.name) % len(BASELINES)] if point.baseline else SEARCHED
        tip = f"{point.name}, trained in full: {100 * point.accuracy:.2f} % on held-out images, {point.cost / unit:.3g}"
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
            gid=chart.tip(f"{tip}{short}{', the one to ship' * point.ships}", point.key),
        )
        labelled.add(label)
    _ring([(point.cost / unit, 100 * point.accuracy) for point in points if point.ships], chart)


def _ring(points: Sequence[tuple[float, float]], chart: Chart) -> None:
    for x, y in points:
        chart.axes.plot(
            [x],
            [y],
            linestyle="none",
            marker="o",
            markersize=17,
            markerfacecolor="none",
            markeredgecolor=LIGHT["chosen"],
            markeredgewidth=2,
            label="the one to ship",
            zorder=4.5,
            clip_on=False,
        )


def _cost(run: Run, entry: Ranked, cost: str) -> float | None:
    own = {"latency_ms": entry.latency_ms, "params": entry.params}
    if own.get(cost) is not None:
        return own[cost]
    return number_in(run.exports.get(entry.key, {}), cost, str(run.folder / "export" / entry.key / "manifest.json"))
