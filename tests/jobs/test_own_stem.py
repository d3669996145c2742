"""A search of cells whose networks choose stem and first stack: recorded, resumed, sized, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.config.build import load_yaml
from nastk.genotype import Genotype
from tests.commands import run

Capture = pytest.CaptureFixture[str]
CHOICES = ("space.stem=[cifar,stride2]", "space.first_cells=[0,N]")
QUICK = (
    *("+space=nasnet", "space.blocks=1", "data=digits", "data.subset=100", "evaluator.epochs=1", "evaluator.threads=1"),
    *("evaluator.network.filters=4", "target.seconds=0.02"),
)
SLOW = ("tpe", "predictor", "local_search", "ppo", "reinforce")
CONTROLLERS = ("evolution", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def outcomes(folder: Path) -> list[tuple[str, str, float | None]]:
    return [(row["key"], row["state"], row["metrics"].get("accuracy")) for row in rows(folder)]


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_every_controller_chooses_them_and_goes_on(controller: str, tmp_path: Path, capsys: Capture) -> None:
    given = (*QUICK, *CHOICES, f"controller={controller}")
    for folder, trials in (("whole", 4), ("parts", 2), ("parts", 4)):
        told = run(capsys, "search", *given, f"run={tmp_path / folder}", f"trials={trials}")
        assert told.code == 0, told.err
    assert "each candidate's own stem" in told.err
    assert outcomes(tmp_path / "whole") == outcomes(tmp_path / "parts")
    assert load_yaml(tmp_path / "whole" / "config.yaml").space.stem == ["cifar", "stride2"]
    for row in rows(tmp_path / "whole"):
        first = {"0": {"first_cells": 0}, "N": {}}[row["choices"]["first_cells"]]
        assert Genotype.from_dict(row["genotype"]).own_network == {"stem": row["choices"]["stem"], **first}


def test_what_was_chosen_is_trained_in_full_and_told(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "run"
    one = ("space.stem=[stride2]", "space.first_cells=0", "trials=1", "controller=random")
    assert run(capsys, "search", *QUICK, *one, f"run={folder}").code == 0
    final = ("baselines=[]", "training.epochs=1", "training.batch=16", "training.threads=1", "training.auxiliary=0")
    size = ("transfer.cells=1", "transfer.filters=4")
    told = run(capsys, "transfer", f"run={folder}", *final, *size, "transfer.stem=cifar")
    assert "transfer.stem=cifar: " in told.line and "was searched with stem stride2" in told.line
    told = run(capsys, "transfer", f"run={folder}", *final, *size)
    assert told.code == 0, told.err
    (network,) = (json.loads(path.read_text())["config"] for path in folder.glob("transfer/*/network.json"))
    assert (network["stem"], network["first_cells"]) == ("stride2", 0)
    assert run(capsys, "report", f"run={folder}").code == 0
    assert "stem stride2, no cells before the first reduction" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("space.stem=[cifar,strid2]", "unknown stem in space: stem 'strid2'; nearest is 'stride2'"),
        ("space.stem=[]", "space: stem=[], expected at least one of cifar"),
        ("space.stem=[stride2,stride2]", "'stride2' is there twice"),
        ("space.stem=[cifar,stride8]", "stem=stride8 leaves 1x1 of 8x8 pixels to the cells, expected at least 4"),
        ("space.first_cells=[]", "space: first_cells=[], expected at least one"),
        ("space.first_cells=[0,M]", "space: first_cells='M', expected 0 to 1000 cells"),
        ("space.first_cells=[-1]", "space: first_cells=-1, expected 0 to 1000 cells"),
    ],
)
def test_choices_that_cannot_be_are_said_before_there_is_a_run(
    given: str, message: str, tmp_path: Path, capsys: Capture
) -> None:
    told = run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", given)
    assert message in told.line
    assert not (tmp_path / "run").exists()


def test_a_stem_that_the_networks_cannot_have_is_said_before_there_is_a_run(tmp_path: Path, capsys: Capture) -> None:
    given = ("space.stem=[cifar,imagenet]", "data.resize=32", f"run={tmp_path / 'run'}", "evaluator.network.filters=6")
    told = run(capsys, "search", *QUICK, *given)
    assert "filters=6, expected a multiple of 4, at least 8, with stem='imagenet'" in told.line
    assert not (tmp_path / "run").exists()
