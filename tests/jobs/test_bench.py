"""The bench of exported files: whose target, at which settings, and what it says where there is nothing to time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli import run
from tests.deploy.digits import exported_digits

Capture = pytest.CaptureFixture[str]
QUICK = "bench.seconds=0.02"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def searched(tmp_path: Path, exported: Path) -> Path:
    """A run folder that says no more than the bench needs: which target was searched for, two threads."""
    folder = tmp_path / "runs" / "a"
    shutil.copytree(exported, folder / "export" / exported.name)
    target = "{_target_: nastk.deploy.targets.cpu.CpuTarget, batch: 1}"
    (folder / "config.yaml").write_text(f"seed: 0\nevaluator: {{}}\ntarget: {target}\n")
    return folder


def test_the_runs_own_target_is_timed_at_every_batch_and_number_of_threads(capsys: Capture, searched: Path):
    ran = run(capsys, "bench", f"run={searched}", QUICK, "bench.batch=[1,2]", "bench.threads=[1,2]")
    assert ran.code == 0, ran.err
    found = json.loads((searched / "bench.json").read_text())
    grid = {(entry["precision"], entry["batch"], entry["threads"]) for entry in found["measurements"]}
    assert grid == {(name, batch, count) for name in ("fp32", "int8") for batch in (1, 2) for count in (1, 2)}
    assert {entry["target"] for entry in found["measurements"]} == {"cpu"}
    assert {"processor", "governor", "clock_mhz", "load"} <= set(found["machine"])
    assert "onnxruntime" in found["versions"]


def test_an_export_in_a_run_has_the_runs_target_too(capsys: Capture, searched: Path):
    config = searched / "config.yaml"
    config.write_text(config.read_text().replace("cpu.CpuTarget", "arm.ArmTarget"))
    model = next((searched / "export").iterdir())
    line = run(capsys, "bench", f"model={model}", QUICK).line
    assert "nothing was measured" in line or "no files for target arm" in line


def test_a_target_that_nothing_is_exported_for_or_that_is_not_here_is_one_line(
    capsys: Capture, exported: Path, tmp_path: Path
):
    copy = shutil.copytree(exported, tmp_path / "copy")
    elsewhere = run(capsys, "bench", f"model={copy}", "target=arm", QUICK).line
    assert "nothing was measured: target arm: this machine is" in elsewhere
    missing = run(capsys, "bench", f"model={copy}", "target=litert", QUICK).line
    assert "has no files for target litert (model.tflite" in missing
    assert "python -m nastk.export" in missing
    assert not (copy / "bench.json").exists()
