"""The files of the Arm target on 64-bit Arm, which qemu imitates: what they answer, never how long they take."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.manifest import MANIFEST
from nastk.deploy.runtimes.remote_ask import PROGRAM, Request, ask, plan_of, sent_files
from nastk.deploy.runtimes.remote_result import read_result
from nastk.deploy.runtimes.remote_shell import SSH, run_there
from nastk.deploy.targets import ArmTarget, CpuTarget, RemoteTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.commands import run
from tests.deploy.digits import digit_files, exported_digits
from tests.deploy.emulated import arm_python
from tests.deploy.networks import genotype
from tests.deploy.ssh import SSHD, running_sshd

pytestmark = pytest.mark.slow
USER = getpass.getuser()
FILES = ("model.onnx", "model.int8.onnx", "model.arm.int8.onnx")
# With instructions for int8 matrices, with dot products, and without either.
WORD, SDOT = re.compile(r"0x[0-9a-f]+:\s+([0-9a-f]{8})\s"), 0x0F80E000  # an instruction in QEMU's log; SDOT by element
PROCESSORS = ("max", "cortex-a76", "cortex-a72")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return arm_python(tmp_path_factory.mktemp("aarch64"))


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """An export for both targets, with the 360 test images beside it."""
    folder = tmp_path_factory.mktemp("digits")
    exported_digits(folder)
    shutil.rmtree(folder / "export")
    settings = ExportSettings(seconds=0.0)
    export_model(folder / "transfer", folder / "export", Digits(), settings, [ArmTarget(), CpuTarget()])
    digit_files(folder / "images", 360)
    return folder / "export"


@pytest.fixture(scope="module")
def ssh(tmp_path_factory) -> Iterator[str]:
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        pytest.skip("no sshd or ssh here")
    with running_sshd(tmp_path_factory.mktemp("sshd")) as command:
        yield command


@pytest.fixture
def board(ssh: str, python: Path, monkeypatch) -> RemoteTarget:
    monkeypatch.setenv(SSH, ssh)
    return RemoteTarget(f"{USER}@127.0.0.1", python=str(python), timeout=300)


def labels(python: Path | str, export: Path, file: str, tmp: Path, cpu: str | None = None) -> dict[str, str]:
    """Returns what an export's own predict.py says of the images with one of its files."""
    copy = shutil.copytree(export, tmp / f"{cpu}-{file}")
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "recommended": file}))
    environment = {**os.environ, **({"QEMU_CPU": cpu} if cpu else {})}
    command = [python, copy / "predict.py", export.parent / "images"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return {Path(path).name: label for path, label, _ in map(str.split, said.stdout.splitlines())}


@pytest.mark.parametrize("cpu", PROCESSORS)
@pytest.mark.parametrize("file", FILES)
def test_predict_says_the_same_on_arm_with_every_file(cpu: str, file: str, python, export, tmp_path) -> None:
    here = labels(sys.executable, export, file, tmp_path)
    there = labels(python, export, file, tmp_path, cpu)
    assert len(here) == 360 and here.keys() == there.keys()
    differ = sum(here[name] != there[name] for name in here)
    print(f"{file} on {cpu}: {differ} of 360 labels differ from x86")
    assert differ <= (0 if file == "model.onnx" else 3)


@pytest.mark.parametrize(("cpu", "has"), [("cortex-a76", True), ("cortex-a72", False)])
def test_int8_runs_with_dot_products_where_there_are_any(cpu: str, has: bool, python, export, tmp_path) -> None:
    log, file = tmp_path / "log", str(export / "model.arm.int8.onnx")
    asked = (
        "import numpy, onnxruntime; "
        f"session = onnxruntime.InferenceSession({file!r}, providers=['CPUExecutionProvider']); "
        "session.run(None, {'image': numpy.zeros((1, 1, 8, 8), numpy.float32)})"
    )
    environment = {**os.environ, "QEMU_CPU": cpu, "QEMU_LOG": "in_asm", "QEMU_LOG_FILENAME": str(log)}
    subprocess.run([python, "-c", asked], env=environment, check=True, stderr=subprocess.DEVNULL)
    with log.open(errors="replace") as lines:
        words = (WORD.match(line) for line in lines)
        found = any(word and int(word[1], 16) & 0xBFC0F400 == SDOT for word in words)
    assert found is has


def test_over_ssh_predict_says_what_nastk_says_here(ssh: str, python: Path, export: Path, capsys) -> None:
    words = f"{python} {export / 'predict.py'} {export.parent / 'images'}"
    said = subprocess.run([*ssh.split(), f"{USER}@127.0.0.1", words], capture_output=True, text=True, check=True)
    there = {Path(path).name: label for path, label, _ in map(str.split, said.stdout.splitlines())}
    ran = run(capsys, "predict", f"model={export}", f"images={export.parent / 'images'}", "format=json")
    here = {Path(one["image"]).name: one["label"] for one in json.loads(ran.out)["predictions"]}
    assert len(there) == 360 and there == here


@pytest.mark.parametrize("file", FILES)
def test_the_measuring_script_runs_there_and_says_that_it_is_emulated(board, export: Path, file: str) -> None:
    model = (export / file).read_bytes()
    plan = plan_of(board._how, Request({"0.onnx": model}, seconds=0.01, runs=30))
    printed = run_there(board.host, board.python, PROGRAM, sent_files(plan, {"0.onnx": model}), 300)
    answer = read_result(board.host, printed, ["0.onnx"])
    assert len(answer.seconds["0.onnx"]) == 3 and answer.machine["architecture"] == "aarch64"
    assert answer.machine["emulated"] == "uname says aarch64, the program that runs is one for x86"


def test_an_export_for_it_holds_right_files_and_no_times(board, export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = export_model(export.parent / "transfer", out, Digits(), ExportSettings(seconds=0.0), [board])
    found = manifest["targets"]["remote"]
    assert "emulated" in found["not_timed"] and found["timed"] is None
    assert found["remote"]["machine"]["emulated"].startswith("uname says aarch64")
    assert all(entry["latency_ms"] is None and entry["accuracy"] > 0.8 for entry in found["precisions"].values())
    assert "is emulated" in (out / "MODEL_CARD.md").read_text()


def test_its_times_are_taken_for_nothing(board, export: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(UserError, match=r"is emulated \(uname says aarch64"):
        board.measure([export / "model.onnx"])
    with pytest.raises(UserError, match="is emulated"):
        board.cost(genotype("nasbench201", 1), NetworkConfig(cells=1, filters=4, classes=10, channels=1, size=8))
    there = ("target=remote", f"target.host={board.host}", f"target.python={board.python}", "target.timeout=300")
    searched = ("+space=nasnet", "run=x", f"runs={tmp_path / 'runs'}", "objective.max_latency_ms=3")
    ran = run(capsys, "search", *searched, *there)
    assert ran.code == 2 and "is emulated" in ran.line and not (tmp_path / "runs").exists()
    ran = run(capsys, "bench", f"model={export}", *there, "target.of=cpu")
    assert ran.code == 2 and "is emulated" in ran.line


def test_a_file_that_is_none_and_a_missing_runtime_are_one_line(board, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ONNX Runtime .* cannot run the model") as info:
        ask(board.host, board._how, {"0.onnx": b"no model"}, seconds=0.01, runs=200)
    assert "\n" not in str(info.value)
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {board.python} -S -E -I "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(UserError, match=r"cannot be imported by .*; install it there"):
        RemoteTarget(board.host, python=str(bare), timeout=300).check()
