"""The charts of two runs beside each other: their candidates, and how their searches went on."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from nastk.reports.charts import COSTS, UNITS, cost_axis
from nastk.reports.curves import best_so_far, window
from nastk.reports.figures import Chart, add_legend, new_chart, series_colour, to_svg
from nastk.reports.page import card
from nastk.reports.table_text import SHOWN_KEY
from nastk.reports.worth import worth_of
from nastk.runs.contents import Run

MARKERS, LINES = ("o", "^"), ("-", "--")
Pair = tuple[Run, Run]


def beside_charts(first: Run, second: Run, names: Sequence[str]) -> str:
    """Returns both searches' candidates and their best so far, where both rank by the same measure."""
    runs = first, second
    if not all(run.trained for run in runs) or len({worth_of(run.trained) for run in runs}) > 1:
        return ""
    cost = cost_axis(runs[0])
    parts = [card("Search", to_svg(_search(runs, names), "search"))]
    if cost is not None and cost == cost_axis(runs[1]):
        parts.insert(0, card("Candidates of both", to_svg(_fronts(runs, names, cost), "fronts")))
    return f'<div class="pair">{"".join(parts)}</div>'


def _fronts(runs: Pair, names: Sequence[str], cost: str) -> Chart:
    worth, unit = worth_of(runs[0].trained), UNITS.get(cost, 1.0)
    chart = new_chart(COSTS[cost], worth.axis, f"Candidates of {names[0]} and {names[1]}")
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        for place, trial in enumerate(run.trained):
            tip = f"{name}: trial {trial.number}, {worth.told(trial.metrics)}, {trial.key[:SHOWN_KEY]}"
            chart.axes.plot(
                [trial.metrics[cost] / unit],
                [worth.shown(trial.metrics)],
                linestyle="none",
                marker=MARKERS[index],
                markersize=6.5,
                color=series_colour(index),
                label="_" if place else name,
                gid=chart.tip(tip),
            )
    _framed(chart, runs)
    return chart


def _search(runs: Pair, names: Sequence[str]) -> Chart:
    worth = worth_of(runs[0].trained)
    chart = new_chart(f"{worth.done} candidates", worth.axis, f"Best so far of {names[0]} and {names[1]}")
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        values = [trial.metrics[worth.metric] for trial in run.trained]
        chart.axes.plot(
            range(1, len(values) + 1),
            worth.factor * best_so_far(values),
            color=series_colour(index),
            linestyle=LINES[index],
            marker=MARKERS[index] if len(values) == 1 else "",
            linewidth=2.2,
            drawstyle="steps-post",
            label=f"{name}, best so far",
        )
    chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _framed(chart, runs)
    return chart


def _framed(chart: Chart, runs: Pair) -> None:
    """Sets the height of a chart so that a few bad candidates do not flatten it."""
    worth = worth_of(runs[0].trained)
    low, high = window([trial.metrics[worth.metric] for run in runs for trial in run.trained])
    chart.axes.set_ylim(worth.factor * low, worth.factor * high)
    add_legend(chart)
