"""Candidates are brought to the budget before they are judged: as large as the limits allow, once for each proposal."""

from __future__ import annotations

import contextlib
import functools
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nastk.config.build import build, load_yaml, shipped
from nastk.evaluators import EvaluationFailed
from nastk.genotype import Genotype
from nastk.jobs.at_budget import SCALINGS, BudgetFit
from nastk.jobs.filling import FILES
from nastk.jobs.transfer.sized import counted_cost
from nastk.networks import NetworkConfig
from nastk.objective import Objective
from nastk.spaces import NasnetSpace, Space, random_genotype, replay
from nastk.study.measuring import Begun, CostsAtOnce, costs_at_once, measured_at_once
from tests.commands import run

Capture = pytest.CaptureFixture[str]
LIMIT = 60_000
QUICK = (
    *("+space=mobile", "evaluator.epochs=1", "evaluator.threads=1", "target.seconds=0.02", "controller=random"),
    *(f"objective.max_params={LIMIT}", "data=digits", "data.subset=100"),
)


def proposed(seed: int) -> Genotype:
    """Returns a network of the mobile space; all end alike, so that a seed draws what it drew before they could not."""
    node = load_yaml(shipped("search_spaces") / "mobile.yaml")
    node["classifier"] = {"block": "pooled_classifier"}
    space: Space = build(node, "space", Space)
    return random_genotype(space, random.Random(seed))


@functools.cache
def counted(genotype: Genotype) -> Mapping[str, float]:
    return counted_cost(genotype, NetworkConfig(size=32))


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    names = ("key", "state", "genotype", "choices")
    return [{**{name: line[name] for name in names}, "accuracy": line["metrics"].get("accuracy")} for line in lines]


def test_several_are_brought_to_the_limits_at_once_and_come_out_as_in_turn() -> None:
    objective = Objective(max_params=50_000)
    fit = BudgetFit(CostsAtOnce(lambda genotype: functools.partial(counted, genotype), 3), objective)
    assert measured_at_once(fit) == 3
    begun = Begun(costs_at_once(fit))
    for number in range(3):
        begun.begin_several(number, functools.partial(fit.fitted, proposed(number)), contextlib.nullcontext)
    found = [begun.result(number) for number in range(3)]
    begun.close()
    assert found == [BudgetFit(counted, objective).fitted(proposed(number)) for number in range(3)]


@pytest.mark.parametrize("limit", [50_000, 500_000])
def test_it_is_larger_than_the_largest_uniform_form_that_meets_the_limits(limit: int) -> None:
    fit = BudgetFit(counted, Objective(max_params=limit))
    for seed in range(2):
        genotype = proposed(seed)
        params = [counted(scaling.genotype(genotype))["params"] for scaling in SCALINGS]  # type: ignore[arg-type]
        assert params == sorted(params)
        expected = max((one for one in params if one <= limit), default=params[0])
        found = fit(fit.fitted(genotype))["params"]
        assert found == expected if expected > limit else max(expected, 0.97 * limit) <= found <= limit


def test_nothing_is_measured_twice_and_cells_stay_as_they_are() -> None:
    asked: list[str] = []

    def cost(genotype: Genotype) -> Mapping[str, float]:
        asked.append(genotype.key)
        return counted(genotype)

    fit = BudgetFit(cost, Objective(max_params=100_000))
    first = fit.fitted(proposed(0))
    again = fit.fitted(proposed(0))
    assert first is again and fit(first)["params"] <= 100_000
    assert len(asked) == len(set(asked)) <= 10 + FILES
    cells = random_genotype(NasnetSpace(), random.Random(0))
    assert fit.fitted(cells) is cells


def test_a_latency_stays_below_its_limit_and_a_busy_moment_is_measured_again() -> None:
    times: dict[str, int] = {}

    def cost(genotype: Genotype) -> Mapping[str, float]:
        times[genotype.key] = times.get(genotype.key, 0) + 1
        steady = counted(genotype)["params"] / 1e5
        return {"latency_ms": steady * (1.5 if times[genotype.key] == 1 else 1.0)}

    fit = BudgetFit(cost, Objective(max_latency_ms=1.0))
    for seed in range(1):
        params = counted(fit.fitted(proposed(seed)))["params"]
        row = [counted(scaling.genotype(proposed(seed)))["params"] for scaling in SCALINGS]  # type: ignore[arg-type]
        assert max(one for one in row if one <= 0.99e5) <= params <= 0.99e5


@pytest.mark.parametrize(("later", "kept"), [(1.0, True), (1.04, True), (1.3, False)])
def test_what_was_filled_up_has_to_be_quick_once_more(later: float, kept: bool) -> None:
    times: dict[str, int] = {}

    def cost(genotype: Genotype) -> Mapping[str, float]:
        times[genotype.key] = times.get(genotype.key, 0) + 1
        return {"latency_ms": counted(genotype)["params"] / 1e5 * (1.0 if times[genotype.key] < 2 else later)}

    fit = BudgetFit(cost, Objective(max_latency_ms=0.8))
    fitted = fit.fitted(proposed(0))
    uniform = [scaling.genotype(proposed(0)) for scaling in SCALINGS]  # type: ignore[arg-type]
    assert (fitted not in uniform) == kept
    assert fit(fitted)["latency_ms"] <= 0.8


def test_a_limit_out_of_reach_is_not_searched_for_the_last_of_it() -> None:
    asked: list[str] = []

    def cost(genotype: Genotype) -> Mapping[str, float]:
        asked.append(genotype.key)
        return {"latency_ms": counted(genotype)["params"] / 1e5}

    fit = BudgetFit(cost, Objective(max_latency_ms=1e6))
    assert fit.fitted(proposed(0)) == SCALINGS[-1].genotype(proposed(0))  # type: ignore[arg-type]
    assert len(asked) <= 6


def test_what_does_not_go_into_memory_does_not_fit() -> None:
    def cost(genotype: Genotype) -> Mapping[str, float]:
        found = counted(genotype)
        if found["params"] > 80_000:
            raise EvaluationFailed("out of memory")
        return found

    fit = BudgetFit(cost, Objective(max_params=1e9))
    assert 20_000 < fit(fit.fitted(proposed(1)))["params"] <= 80_000


def test_a_search_trains_what_was_fitted_and_goes_on_with_the_same(tmp_path: Path, capsys: Capture) -> None:
    for name, trials in (("whole", 2), ("parts", 1), ("parts", 2)):
        told = run(capsys, "search", *QUICK, f"run={tmp_path / name}", f"trials={trials}", "controller.start_from=null")
        assert told.code == 0, told.err
    found = rows(tmp_path / "whole")
    assert found == rows(tmp_path / "parts")
    config = load_yaml(tmp_path / "whole" / "config.yaml")
    assert config.at_budget is True and config.evaluator.network.width_multiplier == 1
    space: Space = build(config.space, "space", Space)
    fit = BudgetFit(lambda one: counted_cost(one, NetworkConfig(size=8, channels=1)), Objective(max_params=LIMIT))
    for row in found:
        assert fit.fitted(replay(space, row["choices"])).key == row["key"]
    assert any(replay(space, row["choices"]).key != row["key"] for row in found)
    trained = [row for row in found if row["state"] == "complete"]
    best = json.loads((tmp_path / "whole" / "best.json").read_text())
    assert best["key"] in {row["key"] for row in trained}


def test_a_run_that_was_begun_without_goes_on_without(tmp_path: Path, capsys: Capture) -> None:
    given = (*QUICK, f"run={tmp_path / 'run'}")
    assert run(capsys, "search", *given, "trials=1", "at_budget=false", "controller.start_from=null").code == 0
    assert "at_budget" not in load_yaml(tmp_path / "run" / "config.yaml")
    assert run(capsys, "search", *given, "trials=2").code == 0
    assert "at_budget" not in load_yaml(tmp_path / "run" / "config.yaml")
    assert "at_budget" in run(capsys, "search", *given, "trials=3", "at_budget=true").line


def test_another_value_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    told = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", "at_budget=maybe")
    assert told.code == 2 and "at_budget='maybe'" in told.line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["+space=nasnet", "objective.max_params=1e5"], "expected a space of stages"),
        (["+space=mobile"], "expected a limit"),
    ],
)
def test_where_it_cannot_be_it_is_said(words: list[str], told: str, tmp_path: Path, capsys: Capture) -> None:
    outcome = run(capsys, "search", *words, "data=digits", f"run={tmp_path / 'run'}", "at_budget=true")
    assert outcome.code == 2 and told in outcome.line and not (tmp_path / "run").exists()
