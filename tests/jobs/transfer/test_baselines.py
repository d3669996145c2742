"""A whole pipeline with a known network beside the searched one: sized, trained, exported and ranked alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from nastk.config.build import load_yaml, shipped
from nastk.deploy import targets
from nastk.genotype import Genotype
from nastk.genotype.sides import last_side
from nastk.genotype.stages import StageGenotype
from nastk.jobs.find_export import find_export
from nastk.jobs.transfer.baselines import (
    Baseline,
    Baselines,
    asked_baselines,
    distinct,
    named_network,
)
from nastk.jobs.transfer.sized import counted_cost
from nastk.networks import NetworkConfig
from nastk.reports import final_table, format_table
from nastk.reports.table_text import table_notes
from nastk.runs.baselines import BaselineRecord, write_baseline
from nastk.runs.contents import read_run
from tests.commands import run
from tests.jobs.transfer.conftest import NAME, RECIPE, SEARCH, TOO_LARGE

Capture = pytest.CaptureFixture[str]

USUAL = targets.Target.baselines


@pytest.fixture
def whole(with_baseline: Path) -> Path:
    return with_baseline


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def keys(folder: Path) -> tuple[str, str]:
    """Returns the keys of the searched network and of the baseline."""
    (baseline,) = read_run(folder).baselines
    (searched,) = {path.parent.name for path in folder.glob("transfer/*/training.json")} - {baseline}
    return searched, baseline


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def score(folder: Path, key: str, held_out: float) -> None:
    """Changes a trained network's accuracy on held-out images."""
    path = folder / "transfer" / key / "metrics.json"
    path.write_text(json.dumps({**read(path), "validation_accuracy": held_out}))


def test_a_baseline_is_sized_to_the_same_limit_and_trained_by_the_same_recipe_on_the_same_images(whole: Path) -> None:
    searched, baseline = (whole / "transfer" / key for key in keys(whole))
    shape, metrics = read(baseline / "shape.json"), read(baseline / "metrics.json")
    assert shape["limits"] == read(searched / "shape.json")["limits"] == {"max_params": 40_000.0}
    assert 0.97 * 40_000 <= metrics["params"] == shape["cost"]["params"] <= 40_000
    known = Genotype.from_dict(read(baseline / "genotype.json"))
    assert read(baseline / "full.json")["key"] == known.key == baseline.name  # single stages of it have grown
    one, other = read(searched / "training.json"), read(baseline / "training.json")
    assert one["settings"] == other["settings"] and one["settings"]["holdout"] is True
    assert (one["data"], one["run"]) == (other["data"], other["run"])
    assert metrics["train_images"] + metrics["validation_images"] == 1437
    manifest = read(whole / "export" / baseline.name / "manifest.json")
    assert manifest["decided_on"] == f"{metrics['validation_images']} held-out training images"


def test_one_that_fits_in_no_size_is_left_out_and_stays_so(whole: Path, copy: Path, capsys: Capture) -> None:
    begun = read(whole / "transfer" / "baselines.json")
    assert begun["baselines"] == [NAME]
    assert "the smallest size" in begun["left_out"][TOO_LARGE]
    shutil.rmtree(copy / "transfer" / keys(copy)[1])
    again = run(capsys, "transfer", f"run={copy}", *RECIPE)  # left to nastk: as it was begun
    assert again.code == 0, again.err
    assert f"transfer: left out: baseline {TOO_LARGE}: objective.max_params=40000" in again.err
    assert again.err.count("(trained before)") == 1
    assert again.err.count(f"(baseline {NAME}): accuracy") == 1
    assert set(read_run(copy).baselines.values()) == {NAME}


def test_it_stands_in_table_chart_and_files_marked_as_what_it_is(whole: Path) -> None:
    searched, baseline = keys(whole)
    rows = {row.key: row for row in final_table(whole)}
    assert (rows[searched].baseline, rows[baseline].baseline) == (None, NAME)
    assert {row.stage for row in rows.values()} == {"exported"}
    assert f"{baseline[:10]} (baseline {NAME})" in format_table(list(rows.values()))
    assert {entry["key"] for entry in read(whole / "bench.json")["measurements"]} == {searched, baseline}
    assert f"baseline {NAME}" in (whole / "report.html").read_text()
    card = (whole / "export" / baseline / "MODEL_CARD.md").read_text()
    assert f"a baseline, `{NAME}`" in card and "found by architecture search" not in card
    assert "found by architecture search" in (whole / "export" / searched / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("wins", [True, False])
def test_the_better_one_on_held_out_images_is_shipped_whichever_it_is(copy: Path, capsys: Capture, wins: bool) -> None:
    searched, baseline = keys(copy)
    score(copy, searched, 0.6)
    score(copy, baseline, 0.7 if wins else 0.5)
    first = baseline if wins else searched
    said = run(capsys, "transfer", f"run={copy}", *RECIPE)
    better = (
        f"the baseline {NAME} is better than the searched network {searched[:8]} on held-out images, 70.00% to 60.00%"
    )
    assert (better in said.err) == wins and "it is the one to ship, if its file keeps the limits" in said.err
    assert next(row.key for row in final_table(copy)) == read(copy / "ship.json")["ships"] == first
    assert said.out.splitlines()[0].startswith(f"Trained network: {copy / 'transfer' / first}")
    told = run(capsys, "export", f"run={copy}", "export.calibration=16", "export.seconds=0.01")
    (line,) = [line for line in told.err.splitlines() if line.startswith("ship ")]
    assert (f"of the baseline {NAME} ({baseline[:8]})" in line) == (better in line) == wins
    assert line.startswith("ship ") and (f" of {searched[:8]}" in line) == (not wins)
    rows = final_table(copy)
    assert rows[0].key == first
    assert any(f"The baseline {NAME} is the one to ship" in note for note in table_notes(rows)) == wins
    reason = read(copy / "export" / first / "manifest.json")["reason"]
    assert "on held-out images" in reason and (better in reason) == wins
    assert find_export(str(copy), None, "runs") == copy / "export" / first
    assert run(capsys, "report", f"run={copy}").code == 0
    page = (copy / "report.html").read_text()
    assert (f"The baseline {NAME} is the one to ship" in page) == wins
    assert (f"{NAME} ({baseline[:10]}), the one to ship" in page) == wins
    assert (f"{NAME} ({baseline[:10]}), the best beside it" in page) == (not wins)
    assert (copy / "cells" / f"{baseline}-network.svg").exists()


def test_where_no_searched_network_fits_the_baseline_that_does_is_shipped(copy: Path, capsys: Capture) -> None:
    searched, baseline = keys(copy)
    shutil.rmtree(copy / "transfer")
    shutil.rmtree(copy / "export")
    large = ("transfer.cells=3", "transfer.filters=64", "transfer.max_params=40000")
    alone = run(capsys, "transfer", f"run={copy}", *RECIPE, *large, "baselines=[]")
    assert alone.code == 2 and f"{searched[:8]}: the given size" in alone.line
    said = run(capsys, "transfer", f"run={copy}", *RECIPE, *large, f"baselines=[{NAME}]")
    assert said.code == 0, said.err
    assert f"left out: transfer.max_params=40000: {searched[:8]}: the given size" in said.err
    assert said.out.splitlines()[0].startswith(f"Trained network: {copy / 'transfer' / baseline}")
    told = run(capsys, "export", f"run={copy}", "export.calibration=16", "export.seconds=0.01")
    assert f"of the baseline {NAME} ({baseline[:8]})" in told.err
    assert [row.key for row in final_table(copy)] == [baseline]


def test_a_transfer_goes_on_as_it_was_begun_with_baselines_or_without(copy: Path, capsys: Capture) -> None:
    assert "was begun with baselines (mobilenet_v2)" in run(capsys, "transfer", f"run={copy}", "baselines=[]").line
    shutil.rmtree(copy / "transfer")
    alone = run(capsys, "transfer", f"run={copy}", *RECIPE, "baselines=[]")
    assert alone.code == 0, alone.err
    (metrics,) = copy.glob("transfer/*/metrics.json")
    assert read(metrics)["train_images"] == 1437 and "validation_accuracy" not in read(metrics)
    assert {path.name for path in (copy / "transfer").iterdir()} == {metrics.parent.name}
    again = run(capsys, "transfer", f"run={copy}", *RECIPE)
    assert again.code == 0 and again.err.count("(trained before)") == 1 and "baseline" not in again.err
    assert {path.name for path in (copy / "transfer").iterdir()} == {metrics.parent.name}
    line = run(capsys, "transfer", f"run={copy}", *RECIPE, f"baselines=[{NAME}]").line
    assert "was begun without baselines, on all training images" in line


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[mobilnet_v2]", "unknown network in baselines 'mobilnet_v2'; nearest is 'mobilenet_v2'"),
        ("[default]", "unknown network in baselines 'default'"),
        ("atuo", "unknown network in baselines 'atuo'; nearest is 'auto'"),
        ("3", "baselines=3, expected auto or a list such as [mobilenet_v2,resnet18]"),
        ("[1,2]", "baselines=[1, 2], expected auto or a list"),
    ],
)
def test_an_unknown_name_is_one_line_before_anything_is_trained(
    tmp_path: Path, capsys: Capture, value: str, message: str
) -> None:
    line = run(capsys, "pipeline", f"runs={tmp_path / 'runs'}", *SEARCH, f"baselines={value}").line
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_three_families_that_there_are_suit_every_target() -> None:
    for target in (getattr(targets, name) for name in targets.__all__):
        assert len(set(target.baselines)) == 3
        assert all(named_network(name).kind == "stages" for name in target.baselines)


def test_resnet18_for_small_images_is_the_public_one() -> None:
    """The count of github.com/kuangliu/pytorch-cifar for CIFAR-10: a 3x3 stem that neither strides nor pools."""
    asked = asked_baselines(OmegaConf.create({"baselines": ["resnet18"]}), OmegaConf.create({}), NetworkConfig(size=32))
    network = NetworkConfig(classes=10, size=32, sizes={"depth_multiplier": 1.0, "width_multiplier": 1.0})
    assert counted_cost(asked.networks[0].forms[0], network)["params"] == 11_173_962


def test_a_baseline_has_a_faster_form_and_keeps_the_one_that_it_was_sized_in(tmp_path: Path, capsys: Capture) -> None:
    asked = asked_baselines(
        OmegaConf.create({"baselines": ["mobilenet_v2", "preactresnet18"]}),
        OmegaConf.create({}),
        NetworkConfig(size=32),
    )
    mobile, preact = asked.networks
    sides = [last_side(form, 32) for form in mobile.forms if isinstance(form, StageGenotype)]
    assert sides == [4, 2] and len(preact.forms) == 1  # it is for 32 pixels
    write_baseline(tmp_path / "transfer" / mobile.forms[1].key, BaselineRecord("mobilenet_v2"))
    kept = list(distinct(asked.networks, [preact.forms[0].key], tmp_path))
    assert kept == [Baseline("mobilenet_v2", mobile.forms[1:])]
    assert "baseline preactresnet18 is a candidate of the search, not trained twice" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "names"), [("cpu", USUAL), ("tensorrt", targets.TensorrtTarget.baselines)])
def test_the_entry_points_leave_them_to_nastk_which_takes_those_for_the_target(
    target: str, names: tuple[str, ...]
) -> None:
    searched = OmegaConf.create({"target": load_yaml(shipped("conf") / "target" / f"{target}.yaml")})
    for entry in ("transfer", "pipeline"):
        with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config = hydra.compose(entry)
        found = asked_baselines(config, searched, NetworkConfig(size=28))
        assert found.auto and tuple(one.name for one in found.networks) == names
    assert asked_baselines(OmegaConf.create({}), searched, NetworkConfig()) == Baselines()
