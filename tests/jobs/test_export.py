"""The export step: which targets' files it writes, and what it says of the file to ship."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from platform import machine

import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.targets.arm import MACHINES
from nastk.errors import UserError
from nastk.jobs.export import kept_timings
from tests.commands import run
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
    assert manifest["target"] == "arm" and "model.arm.int8.onnx" in manifest["files"]
    assert {"model.int8.onnx"} & manifest["files"].keys(), "an earlier target's file was taken away"


def test_an_export_for_another_target_adds_to_what_is_there_and_the_warning_names_the_broken_limit(
    made: Path, tmp_path: Path, capsys
) -> None:
    model = Path(shutil.copytree(made, tmp_path / "run" / "transfer" / "key"))
    (model / "shape.json").write_text(json.dumps({"limits": {"max_latency_ms": 1e-6, "max_params": 5}}))
    assert run(capsys, "export", f"model={model}", *QUICK, "target=cpu", "target.threads=2").code == 0
    before = (exported(model) / "model.int8.onnx").read_bytes()
    ran = run(capsys, "export", f"model={model}", *QUICK, "target=arm")
    manifest = json.loads((exported(model) / "manifest.json").read_text())
    assert ran.code == 0 and "keeps its files for cpu" in ran.err
    assert (exported(model) / "model.int8.onnx").read_bytes() == before
    assert list(manifest["targets"]) == ["arm", "cpu"] and manifest["target"] == "arm"
    assert manifest["source"]["targets"]["cpu"]["threads"] == 2, "the settings that it had for it"
    unknown, large = manifest["budget"]["limits"], manifest["budget"]["broken"]
    assert unknown == {"latency_ms": 1e-6, "params": 5}
    assert any("has 32,258 parameters, max_params is 5" in line for line in large) and large[0] in ran.err
    assert (
        large[0] in manifest["warnings"] and "**Over its budget:**" in (exported(model) / "MODEL_CARD.md").read_text()
    )
    if machine() not in MACHINES:
        assert "is not known: it was not timed on this machine" in "".join(manifest["warnings"])


@pytest.mark.parametrize("name", ["remote", "gone"])
def test_what_cannot_be_written_again_is_not_taken_away(made: Path, tmp_path: Path, capsys, name: str) -> None:
    model = Path(shutil.copytree(made, tmp_path / "run" / "transfer" / "key"))
    assert run(capsys, "export", f"model={model}", *QUICK).code == 0
    path = exported(model) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["source"]["targets"][name] = {"host": "user@board"}
    path.write_text(json.dumps(manifest))
    before = {file: file.read_bytes() for file in exported(model).iterdir()}
    line = run(capsys, "export", f"model={model}", *QUICK, "target=arm").line
    assert f"has files of target {name}, which this export would take away; give target={name}" in line
    assert {file: file.read_bytes() for file in exported(model).iterdir()} == before
    with pytest.raises(UserError, match=rf"has files of target {name}, .* name it too, export.also=\[{name}\]"):
        export_model(model, exported(model), Digits(), ExportSettings(seconds=0.0, calibration=9))


def test_a_bench_inside_an_export_is_no_stranger_to_the_next_export(made: Path, tmp_path: Path, capsys) -> None:
    model = Path(shutil.copytree(made, tmp_path / "run" / "transfer" / "key"))
    assert run(capsys, "export", f"model={model}", *QUICK).code == 0
    assert run(capsys, "bench", f"model={exported(model)}", "bench.seconds=0", "bench.batch=[1,2]").code == 0
    before = json.loads((exported(model) / "bench.json").read_text())["measurements"]
    assert run(capsys, "export", f"model={model}", *QUICK, "export.calibration=100").code == 0
    after = json.loads((exported(model) / "bench.json").read_text())["measurements"]
    assert [entry["sha256"] for entry in after[2:]] == [entry["sha256"] for entry in before[2:]], "another batch"


def test_an_unknown_target_is_named_before_anything_is_written(made: Path, tmp_path: Path, capsys) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.parent.parent.rglob("*")}
    assert "'amr'; nearest is 'arm'" in run(capsys, "export", f"model={made}", *QUICK, "export.also=[amr]").line
    assert "export.also" in run(capsys, "export", f"model={made}", *QUICK, "export.also=[1]").line
    line = run(capsys, "export", f"model={made}", *QUICK, "export.also=[arm,remote]").line
    assert "export.also=remote: host not given, expected target=remote target.host=VALUE" in line
    assert before == {path: path.stat().st_mtime_ns for path in made.parent.parent.rglob("*")}


@pytest.mark.parametrize(("limit", "warned"), [(1e-6, True), (1e6, False)])
def test_a_file_over_the_limit_that_it_was_made_for_is_warned_of(
    made: Path, capsys, limit: float, warned: bool
) -> None:
    (made / "shape.json").write_text(json.dumps({"limits": {"max_latency_ms": limit}}))
    said = run(capsys, "export", f"model={made}", *QUICK).err
    assert (f"max_latency_ms is {limit:g}" in said) is warned


def test_each_of_several_targets_is_told_of_and_the_licence_is_in_the_card(made: Path, capsys) -> None:
    ran = run(capsys, "export", f"model={made}", *QUICK, "export.also=[arm,tensorrt,cuda]", "export.licence=MIT")
    assert ran.code == 0, ran.err
    manifest = json.loads((exported(made) / "manifest.json").read_text())
    assert list(manifest["targets"]) == ["cpu", "arm", "tensorrt", "cuda"]
    for name, target in manifest["targets"].items():
        for precision, entry in target["precisions"].items():
            assert f"{name} {precision} " in ran.err and f"{entry['file']}\n" in ran.err
    assert "Weights: MIT." in (exported(made) / "MODEL_CARD.md").read_text()


def test_what_runs_in_int8_is_told_and_stored(made: Path, capsys) -> None:
    ran = run(capsys, "export", f"model={made}", *QUICK, "export.also=[arm]")
    manifest = json.loads((exported(made) / "manifest.json").read_text())
    for name, stems in (("cpu", 1), ("arm", 0)):
        share = manifest["targets"][name]["int8"]
        assert share["in_int8"] == share["convolutions"] - stems > 0
        assert ("1 Conv (quicker in float)" in share["summary"]) == bool(stems)
        assert f"{name} {share['summary']}" in ran.err
        assert f"{share['in_int8']} of {share['convolutions']} convolutions in int8" in share["summary"]


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_the_calibration_can_be_chosen_and_is_stored(made: Path, capsys, method: str) -> None:
    run(capsys, "export", f"model={made}", *QUICK)
    before = json.loads((exported(made) / "calibration.json").read_text())
    ran = run(capsys, "export", f"model={made}", *QUICK, f"export.calibration_method={method}")
    assert ran.code == 0, ran.err
    after = json.loads((exported(made) / "calibration.json").read_text())
    assert before != after and method in json.dumps(after)


def test_an_unknown_calibration_method_is_named(made: Path, capsys) -> None:
    assert (
        "'percentil'"
        in run(capsys, "export", f"model={made}", "data=digits", "export.calibration_method=percentil").line
    )


def test_a_timing_that_was_kept_for_the_machine_was_busy_is_told() -> None:
    manifest = {"targets": {"cpu": {"timed": {"at": "2026-01-02T03:04:05+00:00"}}, "arm": {"timed": None}, "cuda": {}}}
    [line] = kept_timings(manifest, "2026-01-02T03:04:06+00:00")
    assert line.startswith("cpu: its latencies are those of 2026-01-02T03:04:05+00:00; taken now they are in doubt")
    assert kept_timings(manifest, "2026-01-02T03:04:05+00:00") == []
