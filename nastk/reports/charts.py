"""The two charts of a run: accuracy (or score) against cost with the Pareto front, and as the search went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nastk.reports.curves import best_so_far, random_order, window
from nastk.reports.figures import LIGHT, Chart, add_legend, new_chart
from nastk.reports.trained_points import draw_trained, trained_points
from nastk.reports.worth import BY_ACCURACY, Worth, worth_of
from nastk.runs.candidate import Candidate
from nastk.runs.contents import Run
from nastk.runs.trials import TrialRow

# In this order: the first that every trained candidate has is the axis.
COSTS = {
    "latency_ms": "latency p50 (ms)",
    "macs": "multiply-accumulates (millions)",
    "params": "parameters (thousands)",
    "memory_mb": "peak activation memory (MB)",
    "ram_kb": "activation memory in int8 (kB)",
    "flash_kb": "int8 file (kB)",
}
SHORT = {"latency_ms": " ms", "macs": " M", "params": " k", "memory_mb": " MB", "ram_kb": " kB", "flash_kb": " kB"}
UNITS = {"macs": 1e6, "params": 1e3}
MOST_TIPS = 400
FEWEST_FOR_RANDOM = 8


def cost_axis(run: Run) -> str | None:
    """Returns the metric that accuracy is drawn against, or None where no cost was measured."""
    trained = run.trained
    return next((name for name in COSTS if trained and all(name in trial.metrics for trial in trained)), None)


def pareto_chart(run: Run, limits: Mapping[str, float]) -> Chart:
    """Draws all trained candidates, the front, the chosen one, the budget and what was rejected for it.

    Where there are baselines, they and what was transferred stand there too, trained in full, by markers of their own.
    """
    cost = cost_axis(run)
    if cost is None:
        return search_chart(run)
    trained, unit, worth = run.trained, UNITS.get(cost, 1.0), worth_of(run.trained)
    whole = trained_points(run, cost) if worth is BY_ACCURACY else []  # a score and an accuracy share no axis
    measured = "accuracy on validation images (%)" if whole else worth.axis
    chart = new_chart(COSTS[cost], measured, f"{worth.name.capitalize()} against {COSTS[cost]} of every candidate")
    axes, factor = chart.axes, worth.factor
    low, high = window([*(trial.metrics[worth.metric] for trial in trained), *(point.accuracy for point in whole)])
    axes.set_ylim(factor * low - factor * 0.04 * (high - low), factor * high)
    xs = [trial.metrics[cost] / unit for trial in trained]
    right = _cost_limits(axes, [*xs, *(point.cost / unit for point in whole)], limits.get(cost), unit)
    front = [candidate for candidate in run.front if cost in candidate.metrics and worth.known(candidate.metrics)]
    _points(chart, trained, xs, factor * low, worth)
    _front(chart, front, cost, unit, worth)
    _rejected(chart, run, cost, unit, right, limits.get(cost))
    draw_trained(chart, whole, unit, SHORT.get(cost, ""))
    if run.best is not None and cost in run.best.metrics and worth.known(run.best.metrics):
        axes.plot(
            [run.best.metrics[cost] / unit],
            [worth.shown(run.best.metrics)],
            linestyle="none",
            marker="*",
            markersize=17,
            color=LIGHT["chosen"],
            markeredgecolor=LIGHT["paper"],
            label=f"chosen: trial {run.best.number}" if not whole else f"best of the search: trial {run.best.number}",
            zorder=6,
            gid=chart.tip(f"chosen: {_describe(run.best, worth)}", run.best.key),
        )
    add_legend(chart)
    return chart


def search_chart(run: Run) -> Chart:
    """Draws the accuracy or score of each candidate and the best so far, in the order of training."""
    worth = worth_of(run.trained)
    values = [trial.metrics[worth.metric] for trial in run.trained]
    candidates, count = f"{worth.done} candidates", len(values)
    chart = new_chart(candidates, worth.axis, f"Best {worth.name} so far over {count} {candidates}")
    if not values:
        return chart
    axes, turns = chart.axes, list(range(1, count + 1))
    low, high = window(values)
    axes.set_ylim(worth.factor * low, worth.factor * high)
    axes.set_xlim(0.5, max(count, 2) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _points(chart, run.trained, turns, worth.factor * low, worth)
    axes.plot(
        turns,
        worth.factor * best_so_far(values),
        color=LIGHT["front"],
        linewidth=2.2,
        drawstyle="steps-post",
        label="best so far",
        zorder=4,
    )
    if count >= FEWEST_FOR_RANDOM:
        _random_order(axes, turns, values, worth)
    add_legend(chart)
    return chart


def _random_order(axes: Axes, turns: Sequence[int], values: Sequence[float], worth: Worth) -> None:
    """Draws what the best so far would have been, had the same candidates come in random order."""
    expected, low, high = (worth.factor * curve for curve in random_order(values))
    colour = LIGHT["dim"]
    name = "same candidates in random order"
    axes.plot(turns, expected, color=colour, linewidth=1.4, linestyle=(0, (4, 3)), label=name, zorder=3)
    axes.fill_between(turns, low, high, color=colour, alpha=0.16, linewidth=0, label="90 % of random orders", zorder=3)


def _cost_limits(axes: Axes, xs: Sequence[float], budget: float | None, unit: float) -> float:
    least, most = min(xs), max(xs)
    if least > 0 and most / least > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        right = max(most, 1.25 * (budget or 0) / unit) * 1.15
        axes.set_xlim(least / 1.15, right)
        return right
    top = max(most, (budget or 0) / unit)
    span = max(top - least, abs(top) * 0.05, 1e-9)
    right = top + span * (0.25 if budget else 0.06)
    axes.set_xlim(least - span * 0.06, right)
    return right


def _points(chart: Chart, trials: Sequence[TrialRow], xs: Sequence[float], bottom: float, worth: Worth) -> None:
    ys = [max(worth.shown(trial.metrics), bottom) for trial in trials]
    below = sum(worth.shown(trial.metrics) < bottom for trial in trials)
    label = f"{worth.done} candidate"
    if below:
        label += f" ({below} far below, drawn at the edge)"
    style = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6.5,
        "markerfacecolor": LIGHT["paper"],
        "markeredgecolor": LIGHT["trained"],
        "markeredgewidth": 1.6,
        "zorder": 2,
    }
    if len(trials) > MOST_TIPS:
        chart.axes.plot(xs, ys, label=label, **style)  # type: ignore[arg-type]
        return
    for index, (trial, x, y) in enumerate(zip(trials, xs, ys, strict=True)):
        tip = chart.tip(_describe(trial, worth), trial.key)
        chart.axes.plot([x], [y], label=label if index == 0 else "_", gid=tip, clip_on=False, **style)  # type: ignore[arg-type]


def _front(chart: Chart, front: Sequence[Candidate], cost: str, unit: float, worth: Worth) -> None:
    """With more than these two objectives the front has points that are no step of this line: they are dots only."""
    points = sorted((candidate.metrics[cost] / unit, -worth.shown(candidate.metrics)) for candidate in front)
    steps: list[tuple[float, float]] = []
    for x, negative in points:
        if not steps or -negative > steps[-1][1]:
            steps.append((x, -negative))
    if not steps:
        return
    chart.axes.plot(*zip(*steps, strict=True), color=LIGHT["front"], linewidth=1.8, drawstyle="steps-post", zorder=3)
    for index, candidate in enumerate(front):
        chart.axes.plot(
            [candidate.metrics[cost] / unit],
            [worth.shown(candidate.metrics)],
            linestyle="none",
            marker="o",
            markersize=7.5,
            color=LIGHT["front"],
            label="_" if index else "Pareto front",
            zorder=4,
            gid=chart.tip(f"on the Pareto front: {_describe(candidate, worth)}", candidate.key),
        )


def _rejected(chart: Chart, run: Run, cost: str, unit: float, right: float, budget: float | None) -> None:
    """Rejected candidates were never trained, so they have no height: they stand along the bottom."""
    axes = chart.axes
    if budget is not None:
        axes.axvspan(budget / unit, right * 10, color=LIGHT["shade"], zorder=0)
        axes.axvline(
            budget / unit,
            color=LIGHT["budget"],
            linewidth=1.4,
            label=f"budget {budget / unit:.4g}{SHORT.get(cost, '')}",
            zorder=1,
        )
    rejected = [trial for trial in run.trials if trial.state == "rejected" and cost in trial.metrics]
    if not rejected:
        return
    bottom, top = axes.get_ylim()
    xs = [min(trial.metrics[cost] / unit, right) for trial in rejected]
    axes.plot(
        xs,
        [bottom + (top - bottom) * 0.025] * len(xs),
        linestyle="none",
        marker="x",
        markersize=6,
        color=LIGHT["dim"],
        label=f"rejected before training ({len(rejected)})",
        clip_on=False,
        zorder=2,
    )


def _describe(candidate: Candidate, worth: Worth) -> str:
    metrics = candidate.metrics
    facts = [f"trial {candidate.number}", worth.told(metrics)]
    if "latency_ms" in metrics:
        facts.append(f"{metrics['latency_ms']:.3g} ms")
    if "params" in metrics:
        facts.append(f"{metrics['params']:,.0f} parameters")
    return ", ".join([*facts, candidate.key[:10]])
