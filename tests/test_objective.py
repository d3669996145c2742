"""Objective: values, limits and the front."""

from __future__ import annotations

import pytest

from nastk.errors import UserError
from nastk.objective import Objective


def test_values_come_in_the_order_of_the_directions() -> None:
    objective = Objective(maximize=("accuracy",), minimize=("latency_ms", "params"))
    assert objective.directions == ["maximize", "minimize", "minimize"]
    assert objective.values({"params": 3, "accuracy": 0.5, "latency_ms": 2.0}) == [0.5, 2.0, 3.0]


def test_a_cost_at_the_limit_meets_it_and_one_above_breaks_it_by_its_share() -> None:
    objective = Objective(max_latency_ms=2.0, max_params=100)
    assert objective.violation({"latency_ms": 2.0, "params": 100}) is None
    violation = objective.violation({"latency_ms": 3.0, "params": 150})
    assert violation is not None
    assert violation.amount == pytest.approx(1.0)
    assert "latency_ms 3 is over 2" in violation.reason
    assert "params 150 is over 100" in violation.reason


def test_a_limit_on_something_not_measured_is_refused() -> None:
    with pytest.raises(UserError, match=r"max_macs=5.*do not measure macs.*latency_ms"):
        Objective(max_macs=5).violation({"latency_ms": 1.0})


def test_the_front_keeps_what_nothing_dominates_best_first() -> None:
    rows = [
        ("slow and best", {"accuracy": 0.9, "latency_ms": 9.0}),
        ("dominated", {"accuracy": 0.7, "latency_ms": 8.0}),
        ("fast", {"accuracy": 0.7, "latency_ms": 2.0}),
        ("fastest", {"accuracy": 0.5, "latency_ms": 1.0}),
        ("as fast and worse", {"accuracy": 0.4, "latency_ms": 1.0}),
    ]
    assert Objective(("accuracy",), ("latency_ms",)).front(rows) == ["slow and best", "fast", "fastest"]
    assert Objective().front(rows) == ["slow and best", "fast", "fastest"]


def test_without_a_latency_the_front_of_one_metric_is_its_best() -> None:
    assert Objective().front([("a", {"accuracy": 0.1}), ("b", {"accuracy": 0.3})]) == ["b"]


def test_of_candidates_that_are_equal_the_surest_is_on_the_front() -> None:
    rows = [("first", {"accuracy": 0.3, "loss": 1.2}), ("surest", {"accuracy": 0.3, "loss": 1.1})]
    assert Objective().front(rows) == ["surest"]
    assert Objective().front([(name, {"accuracy": 0.3}) for name, _ in rows]) == ["first"]
    timed = [(name, {**metrics, "latency_ms": 1.0}) for name, metrics in rows]
    assert Objective().front(timed) == ["surest"]


def test_candidates_are_sorted_by_the_first_metric_of_the_objective_and_then_by_the_loss() -> None:
    rows = {
        "accurate": {"accuracy": 0.9, "balanced_accuracy": 0.5, "latency_ms": 3.0, "loss": 1.0},
        "balanced": {"accuracy": 0.8, "balanced_accuracy": 0.7, "latency_ms": 2.0, "loss": 1.0},
        "surer": {"accuracy": 0.8, "balanced_accuracy": 0.7, "latency_ms": 4.0, "loss": 0.9},
    }

    def order(objective: Objective) -> list[str]:
        return sorted(rows, key=lambda name: objective.best_first(rows[name]))

    assert order(Objective()) == ["accurate", "surer", "balanced"]
    assert order(Objective(("balanced_accuracy",))) == ["surer", "balanced", "accurate"]
    assert order(Objective((), ("latency_ms",))) == ["balanced", "accurate", "surer"]
    assert order(Objective(("int8_accuracy",))) == order(Objective())  # they have none
    assert Objective(("score",)).best_first({"score": 3.0})[0] == -3.0
    assert Objective(("balanced_accuracy", "accuracy")).balanced and not Objective().balanced


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"maximize": ()}, "nothing to maximize"),
        ({"maximize": ("acuracy",)}, "nearest is 'accuracy'"),
        ({"maximize": ("accuracy", "accuracy")}, "twice"),
        ({"max_latency_ms": 0.0}, "max_latency_ms=0.0"),
        ({"max_params": float("nan")}, "above 0"),
    ],
)
def test_impossible_objectives_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(**fields)  # type: ignore[arg-type]
