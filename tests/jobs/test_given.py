"""A run goes on with its own settings: those that are given again must be the same, the others need not be given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nastk.config.build import load_yaml
from tests.commands import call, run
from tests.data.files import write_image_folder

Capture = pytest.CaptureFixture[str]
SEARCH = (
    *("+space=nasnet", "space.blocks=1", "trials=1", "controller=random", "seed=3", "objective.max_params=1000000"),
    *("evaluator.epochs=1", "evaluator.batch=8", "evaluator.threads=1", "evaluator.network.filters=4"),
    *("target.seconds=0.05", "data=image_folder", "data.flip=true"),
)
FINAL = (
    *("baselines=[]", "training.epochs=1", "training.batch=8", "training.threads=1"),
    *("transfer.cells=1", "transfer.filters=4"),
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, of 12 pixels where nothing resizes them, and a run on them."""
    place = tmp_path_factory.mktemp("searched")
    root = write_image_folder(place / "set", ("train", "val", "test"), each=8)
    call("search", f"run={place / 'run'}", f"data.root={root}", *SEARCH)
    return place


@pytest.fixture
def place(searched: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; its config.yaml names the images of the original."""
    return Path(shutil.copytree(searched, tmp_path / "copy"))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def without_seconds(folder: Path) -> list[dict[str, Any]]:
    metrics = [{name: row["metrics"][name] for name in ("accuracy", "loss", "params")} for row in rows(folder)]
    return [{"key": row["key"], **found} for row, found in zip(rows(folder), metrics, strict=True)]


def settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = OmegaConf.to_container(load_yaml(folder / "config.yaml"))  # type: ignore[assignment]
    return {name: value for name, value in found.items() if name not in ("trials", "changes", "made_by", "run")}


def test_a_run_goes_on_without_another_setting_as_with_all(place: Path, searched: Path, capsys: Capture) -> None:
    folder, other, root = place / "run", place / "other", f"data.root={searched / 'set'}"
    shutil.copytree(folder, other)
    bare = run(capsys, "search", f"run={folder}", "trials=2")
    assert bare.code == 0, bare.err
    assert "trials: 1 before, 2 now" in bare.err and "controller" not in bare.err
    whole = run(capsys, "search", f"run={other}", *SEARCH, root, "trials=2")
    assert whole.code == 0, whole.err
    assert len(rows(folder)) == 2 and without_seconds(folder) == without_seconds(other)
    assert settings(folder) == settings(other) == settings(searched / "run")


def test_groups_that_are_given_again_leave_the_runs_own_fields(place: Path, capsys: Capture) -> None:
    before = settings(place / "run")
    groups = ("+space=nasnet", "data=image_folder", "evaluator=training", "objective=accuracy", "target=cpu")
    outcome = run(capsys, "search", f"run={place / 'run'}", *groups)
    assert outcome.code == 0, outcome.err
    assert settings(place / "run") == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("evaluator.epochs=2",), "holds a run with evaluator.epochs=1, this command has 2; use the same settings"),
        (("data.resize=9",), "holds a run with data.resize=12, this command has 9"),
        (("data=image_folder", "data.flip=false"), "data.flip=True, this command has False"),
        (("+space=nasnet_paper",), "holds a run with space.ops="),
        (("objective=pareto",), "holds a run with objective.minimize="),
        (("data=digits",), "holds a run with data._target_="),
        (("objective={max_params:5}",), "objective.max_params=1000000, this command has 5"),
        (("~evaluator.clip",), "evaluator.clip=5.0, this command has None"),
        (("seed=4",), "holds a run with seed=3, this command has 4"),
    ],
)
def test_what_contradicts_the_run_is_refused(
    place: Path, capsys: Capture, given: tuple[str, ...], message: str
) -> None:
    import re

    before = (place / "run" / "config.yaml").read_bytes()
    assert re.search(message, run(capsys, "search", f"run={place / 'run'}", "trials=2", *given).line)
    assert (place / "run" / "config.yaml").read_bytes() == before and len(rows(place / "run")) == 1


def test_what_may_change_changes_where_it_is_given(place: Path, capsys: Capture) -> None:
    outcome = run(capsys, "search", f"run={place / 'run'}", "controller=evolution", "controller.sample=4")
    assert outcome.code == 0, outcome.err
    node = load_yaml(place / "run" / "config.yaml").controller
    assert (node["_target_"], node.sample) == ("nastk.controllers.RegularizedEvolution", 4)


def test_a_run_of_before_a_setting_goes_on(place: Path, searched: Path, capsys: Capture) -> None:
    """Runs of before have neither class weights nor the newer facts of the images, and mirrored them by default."""
    folder = place / "run"
    config = load_yaml(folder / "config.yaml")
    del config.evaluator["class_weights"]
    OmegaConf.save(config, folder / "config.yaml")
    record = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps({k: v for k, v in record.items() if k != "folders"}))
    same = [word for word in SEARCH if word not in ("data.flip=true", "trials=1")]
    outcome = run(capsys, "search", f"run={folder}", *same, f"data.root={searched / 'set'}", "trials=2")
    assert outcome.code == 0, outcome.err
    assert len(rows(folder)) == 2 and load_yaml(folder / "config.yaml").data.flip is True


def test_a_run_of_before_a_folder_was_a_part_says_how_it_goes_on(place: Path, capsys: Capture) -> None:
    folder, root = place / "run", place / "set"
    (root / "val").rename(root / "valid")
    record = json.loads((folder / "data.json").read_text())
    del record["folders"]
    record["validation"] |= {"images": 5, "indices_sha256": "of a part of train/"}
    (folder / "data.json").write_text(json.dumps(record))
    line = run(capsys, "search", f"run={folder}", f"data.root={root}").line
    assert "when it began nothing was read from valid/: move that away to go on, or give another run=" in line


def test_a_search_goes_on_with_images_that_were_moved_and_no_others(place: Path, capsys: Capture) -> None:
    folder, root = place / "run", place / "set"
    outcome = run(capsys, "search", f"run={folder}", f"data.root={root}", "trials=2")
    assert outcome.code == 0, outcome.err
    assert len(rows(folder)) == 2 and load_yaml(folder / "config.yaml").data.root == str(root)
    before = (folder / "config.yaml").read_bytes()
    assert b"data.root: " in before
    other = Path(shutil.copytree(root, place / "changed"))
    shutil.copy(root / "train" / "cat" / "000.png", other / "train" / "dog" / "000.png")
    assert "images_sha256 was" in run(capsys, "search", f"run={folder}", f"data.root={other}", "trials=3").line
    assert (folder / "config.yaml").read_bytes() == before, "it still names the images that it was made of"


@pytest.mark.parametrize("words", [("data=image_folder",), ()])
def test_later_steps_take_moved_images_at_the_size_of_the_run(
    place: Path, searched: Path, capsys: Capture, words: tuple[str, ...]
) -> None:
    """Larger images were added where they are now: by themselves they would be brought to 30 pixels."""
    folder = place / "run"
    root = write_image_folder(place / "larger", ("train", "val", "test"), each=9, size=30)
    shutil.move(place / "set", place / "gone")
    moved = (*words, f"data.root={root}")
    for entry, more in (("transfer", FINAL), ("export", ("export.seconds=0.05",))):
        outcome = run(capsys, entry, f"run={folder}", *moved, *more)
        assert outcome.code == 0, outcome.err
    (trained,) = (folder / "transfer").iterdir()
    facts = json.loads((trained / "network.json").read_text())
    assert (facts["config"]["size"], facts["data"]["train_images"]) == (12, 27)
    record = json.loads((trained / "training.json").read_text())
    assert record["data"]["flip"] is True, "the run's, whatever the default is"
    assert "class_weights" not in record["settings"], "trainings of before there were any go on"


def test_an_audit_takes_moved_images_and_no_others(place: Path, capsys: Capture) -> None:
    folder = place / "run"
    assert run(capsys, "search", f"run={folder}", "trials=3").code == 0
    config = load_yaml(folder / "config.yaml")
    config.data.root = str(place / "nowhere")
    OmegaConf.save(config, folder / "config.yaml")
    audit = ("audit", f"run={folder}", "cells=3", "epochs=2", "noise=false")
    assert "nowhere: no such folder" in run(capsys, *audit).line
    other = write_image_folder(place / "other", ("train", "val"), each=9)
    assert "data.json: " in run(capsys, *audit, f"data.root={other}").line
    outcome = run(capsys, *audit, f"data.root={place / 'set'}")
    assert outcome.code == 0, outcome.err


def emptied(path: Path) -> None:
    path.write_text("")


def cut(path: Path) -> None:
    path.write_text(path.read_text().partition("made_by")[0])


@pytest.mark.parametrize("damage", [emptied, cut])
def test_a_run_without_its_settings_does_not_go_on(
    place: Path, capsys: Capture, damage: Callable[[Path], None]
) -> None:
    path = place / "run" / "config.yaml"
    damage(path)
    assert "config.yaml: empty or cut short" in run(capsys, "search", f"run={place / 'run'}", "trials=2").line


def test_a_setting_that_the_runs_own_class_has_not_is_named(place: Path, capsys: Capture) -> None:
    line = run(capsys, "search", f"run={place / 'run'}", "data.rooot=/tmp", "trials=2").line
    assert "unknown setting in data 'rooot'; nearest is 'root'" in line


def test_a_run_that_is_not_there_needs_a_space(tmp_path: Path, capsys: Capture) -> None:
    line = run(capsys, "search", f"run={tmp_path / 'new'}", "trials=2").line
    assert "no search space: give +space=NAME" in line and "is no run yet that could go on" in line


def test_the_pipeline_goes_on_alike(place: Path, capsys: Capture) -> None:
    outcome = run(capsys, "pipeline", f"run={place / 'run'}", "trials=2", *FINAL, "bench.seconds=0.05")
    assert outcome.code == 0, outcome.err
    assert len(rows(place / "run")) == 2 and (place / "run" / "report.html").exists()
