"""The export step: which targets' files it writes, and what it says of the file to ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import run
from tests.deploy.digits import trained_digits

QUICK = ("data=digits", "export.seconds=0.01")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_digits(tmp_path_factory.mktemp("run") / "transfer" / "key")


def exported(model: Path) -> Path:
    return model.parent.parent / "export" / model.name


def test_further_targets_get_their_files_too(made: Path, capsys) -> None:
    outcome = run(capsys, "export", f"model={made}", *QUICK, "export.also=[arm,cpu]")
    assert outcome.code == 0
    manifest = json.loads((exported(made) / "manifest.json").read_text())
    assert list(manifest["targets"]) == ["cpu", "arm"] and manifest["target"] == "cpu"
    assert {"model.onnx", "model.int8.onnx", "model.arm.int8.onnx"} <= manifest["files"].keys()
    arm = manifest["targets"]["arm"]["precisions"]["int8"]
    assert arm["file"] == "model.arm.int8.onnx" and arm["accuracy"] > 0.5
    assert "arm int8 accuracy" in outcome.err


def test_the_target_can_be_another_than_this_machine(made: Path, capsys) -> None:
    assert run(capsys, "export", f"model={made}", *QUICK, "target=arm").code == 0
    manifest = json.loads((exported(made) / "manifest.json").read_text())
    assert manifest["target"] == "arm" and "model.int8.onnx" not in manifest["files"]


def test_an_unknown_target_is_named_before_anything_is_written(made: Path, tmp_path: Path, capsys) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.parent.parent.rglob("*")}
    assert "'amr'; nearest is 'arm'" in run(capsys, "export", f"model={made}", *QUICK, "export.also=[amr]").line
    assert "export.also" in run(capsys, "export", f"model={made}", *QUICK, "export.also=[1]").line
    assert before == {path: path.stat().st_mtime_ns for path in made.parent.parent.rglob("*")}


@pytest.mark.parametrize(("limit", "warned"), [(1e-6, True), (1e6, False)])
def test_a_file_over_the_limit_that_it_was_made_for_is_warned_of(
    made: Path, capsys, limit: float, warned: bool
) -> None:
    (made / "shape.json").write_text(json.dumps({"limits": {"max_latency_ms": limit}}))
    said = run(capsys, "export", f"model={made}", *QUICK).err
    assert (f"max_latency_ms is {limit:g}" in said) is warned
