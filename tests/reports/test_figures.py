"""Charts follow the page's colours, and say what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nastk.reports.charts import pareto_chart, search_chart
from nastk.reports.figures import DARK, LIGHT, add_legend, css_variables, new_chart, to_svg
from nastk.runs.contents import Run, read_run
from tests.reports import folders


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(folders.write_run(tmp_path / "run", folders.rows(40)))


def test_every_colour_is_a_role_with_a_light_and_a_dark_value(run: Run) -> None:
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert LIGHT.keys() == DARK.keys()
    for chart in (pareto_chart(run, {"latency_ms": 1.2}), search_chart(run)):
        svg = to_svg(chart, "chart")
        assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)) <= {"none", *(f"var(--{role})" for role in LIGHT)}
    assert all(f"--{role}:{DARK[role]}" in css_variables() for role in LIGHT)


def test_each_point_says_which_candidate_it_is(run: Run) -> None:
    svg = to_svg(pareto_chart(run, {"latency_ms": 1.2}), "chart")
    for trial in run.trained:
        assert re.search(rf"<title>[^<]*trial {trial.number}, accuracy {100 * trial.metrics['accuracy']:.2f} %", svg)


def test_budget_front_chosen_and_rejected_are_in_the_chart(run: Run) -> None:
    rejected = sum(trial.state == "rejected" for trial in run.trials)
    assert run.best is not None
    _, labels = pareto_chart(run, {"latency_ms": 1.2}).axes.get_legend_handles_labels()
    assert set(labels) == {
        "trained candidate",
        "Pareto front",
        "budget 1.2 ms",
        f"rejected before training ({rejected})",
        f"chosen: trial {run.best.number}",
    }
    _, labels = pareto_chart(run, {}).axes.get_legend_handles_labels()
    assert not any(label.startswith("budget") for label in labels)


def test_the_front_is_a_staircase_under_which_every_candidate_lies(run: Run) -> None:
    chart = pareto_chart(run, {"latency_ms": 1.2})
    [steps] = [line for line in chart.axes.get_lines() if line.get_drawstyle() == "steps-post"]
    xs, ys = steps.get_xdata(), steps.get_ydata()
    for trial in run.trained:
        reached = [y for x, y in zip(xs, ys, strict=True) if x <= trial.metrics["latency_ms"]]  # type: ignore[arg-type]
        assert max(reached) >= 100 * trial.metrics["accuracy"] - 1e-9


@pytest.mark.parametrize("label", ["short", "trained candidate (2 far below, drawn at the edge)"])
def test_a_legend_is_no_wider_than_its_figure(label: str) -> None:
    chart = new_chart("x", "y", "about")
    for number in range(4):
        chart.axes.plot([0, 1], [0, number], label=f"{label} {number}")
    add_legend(chart)
    (legend,) = chart.figure.legends
    assert legend.get_window_extent().width <= chart.figure.bbox.width
    assert len(legend.get_texts()) == 4
