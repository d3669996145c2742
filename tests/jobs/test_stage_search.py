"""Searches of networks of stages: they start from the known networks, and go on with what they began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.config.build import load_yaml
from nastk.genotype import Genotype
from nastk.jobs import start_points
from nastk.jobs.start_points import FILE
from tests.commands import run
from tests.data.files import write_image_folder

Capture = pytest.CaptureFixture[str]
QUICK = (
    *("+space=mobile", "evaluator.epochs=1", "evaluator.threads=1", "target.seconds=0.02"),
    *("objective.max_params=200000", "data=digits", "data.subset=200"),
    "at_budget=false",  # tests/jobs/test_at_budget.py
)
SLOW = ("random", "tpe", "evolution", "local_search", "ppo", "predictor")
CONTROLLERS = ("reinforce", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW))


def rows(folder: Path) -> list[dict[str, Any]]:
    """Returns the trials of a run, without what a clock says."""
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [{"key": line["key"], "state": line["state"], "accuracy": line["metrics"].get("accuracy")} for line in lines]


def searched(capsys: Capture, folder: Path, *given: str) -> str:
    """Searches; returns what it told."""
    told = run(capsys, "search", *QUICK, f"run={folder}", *given)
    assert told.code == 0, told.err
    return told.err


def test_a_search_that_goes_on_asks_for_the_same_networks_first(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_points, "MOST", 2)
    searched(capsys, tmp_path / "whole", "trials=3")
    searched(capsys, tmp_path / "parts", "trials=1")
    searched(capsys, tmp_path / "parts", "trials=3")
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    points = json.loads((tmp_path / "whole" / FILE).read_text())["points"]
    assert points == json.loads((tmp_path / "parts" / FILE).read_text())["points"]
    assert len(points) == 2
    first = [json.loads(line) for line in (tmp_path / "whole" / "trials.jsonl").read_text().splitlines()]
    families = [Genotype.from_dict(row["genotype"]).ops for row in first[: len(points)]]
    assert {"inverted_residual"} <= families[0]
    assert {"residual_basic"} <= families[1]
    assert all(row["metrics"]["params"] <= 200_000 for row in first[: len(points)])


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_every_controller_goes_on_from_there(
    controller: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_points, "MOST", 2)
    searched(capsys, tmp_path / "run", f"controller={controller}", "trials=4")
    points = json.loads((tmp_path / "run" / FILE).read_text())["points"]
    found = rows(tmp_path / "run")
    assert len(points) == 2
    assert sum(row["state"] == "complete" for row in found) == 4
    assert len(found) > len(points)


def test_a_run_that_began_without_start_points_goes_on_without(tmp_path: Path, capsys: Capture) -> None:
    searched(capsys, tmp_path / "run", "controller=random", "controller.start_from=null", "trials=1")
    assert not (tmp_path / "run" / FILE).exists()
    searched(capsys, tmp_path / "run", "controller=random", "trials=2")
    assert not (tmp_path / "run" / FILE).exists()


def test_an_unknown_start_is_named(tmp_path: Path, capsys: Capture) -> None:
    told = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", "controller.start_from=clasics")
    assert told.code == 2
    assert "'clasics'; nearest is 'classics'" in told.err
    assert not (tmp_path / "run").exists()


def test_image_size_and_width_are_chosen_and_recorded(tmp_path: Path, capsys: Capture) -> None:
    told = searched(capsys, tmp_path / "run", "controller=random", "objective.max_params=5000", "trials=1")
    config = load_yaml(tmp_path / "run" / "config.yaml")
    assert config.space.size == 8
    assert config.evaluator.network.width_multiplier < 1
    assert config.evaluator.network.cells is None
    assert f"width x{config.evaluator.network.width_multiplier:g}" in told


def test_images_of_ones_own_and_a_latency_are_searched_in_the_space_of_stages(tmp_path: Path, capsys: Capture) -> None:
    root = write_image_folder(tmp_path / "set", ("train", "val", "test"), each=8)
    quick = (
        *("evaluator.epochs=1", "evaluator.threads=1", "target.seconds=0.02", "controller=random", "trials=1"),
        *("controller.start_from=null", "at_budget=false"),
    )
    given = (
        "data=image_folder",
        f"data.root={root}",
        f"run={tmp_path / 'run'}",
        "objective.max_latency_ms=0.1",
        *quick,
    )
    told = run(capsys, "search", *given)
    assert told.code == 0, told.err
    assert "space mobile, the usual one for a latency" in told.err
    assert load_yaml(tmp_path / "run" / "config.yaml").space._target_ == "nastk.spaces.StageSpace"
    without = run(capsys, "search", *given[:2], f"run={tmp_path / 'other'}", *quick)
    assert without.code == 2
    assert "no search space: give +space=NAME" in without.err
