"""Files for OpenVINO are run by it again, as they were scored; what does not fit is one line."""

from __future__ import annotations

import gc
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

import nastk
from nastk.data.sources import Digits
from nastk.deploy.export import openvino_file
from nastk.deploy.export.classifier import open_classifier
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import normalised
from nastk.deploy.manifest import describe_files
from nastk.deploy.runtimes.remote_shell import SSH
from nastk.deploy.targets import CpuTarget, OpenvinoTarget, RemoteTarget
from nastk.errors import UserError
from tests.commands import run
from tests.deploy.digits import MEAN, STD, digit_files, trained_digits
from tests.deploy.ssh import local_ssh
from tests.deploy.test_hostile_models import laborious

pytestmark = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("openvino")
    trained_digits(folder / "transfer")
    targets = (OpenvinoTarget(), CpuTarget())
    export_model(folder / "transfer", folder / "export", Digits(), ExportSettings(seconds=0.0), targets)
    return folder / "export"


@pytest.fixture
def copy(export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(export, tmp_path / "copy"))


def changed(folder: Path, file: str, **values: object) -> None:
    """Puts other values into what the manifest says of how OpenVINO ran a file."""
    manifest = json.loads((folder / "manifest.json").read_text())
    how = manifest["targets"]["openvino"]["openvino"]["files"][file]
    for name, value in values.items():
        (how if name in how else how["settings"])[name] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_each_file_answers_as_it_was_scored(export: Path) -> None:
    images = normalised(Digits().test().x[:64], [MEAN], [STD])
    for precision, file in OpenvinoTarget().files.items():
        classifier = open_classifier(export, precision)
        assert classifier.file == file and classifier.runtime.startswith("OpenVINO ")
        np.testing.assert_array_equal(classifier.run(images), OpenvinoTarget().runner(export / file)(images))
    by_another = open_classifier(export, "int8", onnxruntime_only=True)
    assert by_another.runtime.startswith("ONNX Runtime ")
    assert not np.array_equal(by_another.run(images), classifier.run(images))


def test_the_accuracy_of_the_manifest_comes_back(export: Path) -> None:
    manifest, test = json.loads((export / "manifest.json").read_text()), Digits().test()
    for precision, entry in manifest["precisions"].items():
        answers = open_classifier(export, precision).probabilities(test.x.numpy()).argmax(1)
        assert float((answers == test.y.numpy()).mean()) == entry["accuracy"]


def test_files_that_were_timed_elsewhere_are_run_as_they_were_scored_here(export, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(SSH, str(local_ssh(tmp_path / "ssh")))
    board = RemoteTarget("board", of="openvino", threads=2)  # that many there; answers are scored here, with one
    export_model(export.parent / "transfer", tmp_path / "export", Digits(), ExportSettings(seconds=0.0), (board,))
    found, local = (json.loads((one / "manifest.json").read_text()) for one in (tmp_path / "export", export))
    assert found["targets"]["remote"]["openvino"]["files"] == local["targets"]["openvino"]["openvino"]["files"]
    assert found["targets"]["remote"]["openvino"]["timed_threads"] == 2
    images = normalised(Digits().test().x[:64], [MEAN], [STD])
    for precision, entry in found["precisions"].items():
        classifier = open_classifier(tmp_path / "export", precision)
        assert classifier.runtime.startswith("OpenVINO ")
        scored = OpenvinoTarget().runner(tmp_path / "export" / entry["file"])(images)
        np.testing.assert_array_equal(classifier.run(images), scored)


@pytest.mark.parametrize("quick", [False, True])
def test_a_bfloat16_file_on_a_processor_without_is_told_in_one_line(copy, quick: bool, monkeypatch, capsys) -> None:
    changed(copy, "model.onnx", INFERENCE_PRECISION_HINT="bf16")  # which each processor has
    monkeypatch.setattr(openvino_file, "quick_bf16", lambda: quick)
    open_classifier(copy, "int8")
    assert capsys.readouterr().err == ""
    open_classifier(copy, "fp32")
    said = "note: model.onnx: this processor has no bfloat16, answers may differ from those that were scored\n"
    assert capsys.readouterr().err == ("" if quick else said)


def test_a_command_and_a_program_load_no_torch(export: Path, tmp_path: Path) -> None:
    digit_files(tmp_path / "images", 2)
    code = (
        "import sys, nastk\nnet = nastk.load(sys.argv[1], precision='int8')\n"
        "print(net.runtime, *(one.label for one in net.predict(sys.argv[2])))\n"
        "print(sorted({'torch', 'onnx'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, str(export), str(tmp_path / "images")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0].startswith("OpenVINO ") and lines[1] == "[]"


def test_the_command_tells_which_runtime_answers(export: Path, tmp_path: Path, capsys) -> None:
    digit_files(tmp_path / "images", 2)
    found = json.loads(run(capsys, "predict", f"model={export}", f"images={tmp_path / 'images'}", "format=json").out)
    assert found["runtime"].startswith("OpenVINO ") and len(found["predictions"]) == 2


def test_without_openvino_the_extra_is_named(export: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("nastk.deploy.runtimes.openvino_session.PACKAGE", "absent_openvino")
    digit_files(tmp_path / "images", 1)
    line = run(capsys, "predict", f"model={export}", f"images={tmp_path / 'images'}", "precision=int8").line
    assert "model.openvino.int8.onnx: was scored and timed by OpenVINO, and absent_openvino is not installed" in line
    assert "pip install 'nastk[" in line


def test_damage_is_one_line(copy: Path) -> None:
    path = copy / "model.openvino.int8.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"int8\.onnx: \d+ bytes, the manifest says \d+; .* cut short"):
        nastk.load(copy, "int8")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"int8\.onnx: its SHA-256 is not the manifest's"):
        nastk.load(copy, "int8")
    path.write_bytes(whole[:-100])
    rehash(copy, path.name)
    with pytest.raises(UserError, match=r"int8\.onnx: not an ONNX model, or cut short"):
        nastk.load(copy, "int8")


def rehash(folder: Path, file: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] |= describe_files(folder, [file])
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("preprocessing", "height", 9, "expected 1 or 3 and one side"),
        (
            "preprocessing",
            None,
            {"height": 16, "width": 16},
            r"takes inputs of the shapes \[\(-1, 1, 8, 8\)\] .*16, 16",
        ),
        (None, "classes", ["a"], r"gives \[\(1, 10\)\], the manifest says 1 classes"),
    ],
)
def test_files_of_another_shape_are_refused(copy: Path, part, field, value, message) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    place = manifest if part is None else manifest[part]
    place.update(value if field is None else {field: value})
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        open_classifier(copy, "int8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"CACHE_DIR": "/tmp/elsewhere"}, r"settings of OpenVINO .*expected INFERENCE_PRECISION_HINT"),
        ({"INFERENCE_PRECISION_HINT": "f64"}, "INFERENCE_PRECISION_HINT='f64', expected f32 or bf16"),
        ({"INFERENCE_NUM_THREADS": 10**9}, "INFERENCE_NUM_THREADS='1000000000', expected a whole number from 1"),
        ({"batch": True}, "batch='True', expected a whole number from 1 to 1024"),
    ],
)
def test_settings_that_nastk_does_not_write_are_refused(copy: Path, values, message) -> None:
    changed(copy, "model.onnx", **values)
    with pytest.raises(UserError, match=message):
        open_classifier(copy, "fp32")


def test_data_in_other_files_are_refused(copy: Path, monkeypatch) -> None:
    monkeypatch.chdir(copy)
    model = onnx.load(copy / "model.onnx")
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    (copy / "beside.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="beside.bin")
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    rehash(copy, "model.onnx")
    with pytest.raises(UserError, match=r"model\.onnx: tensor '.+' keeps its data in another file"):
        open_classifier(copy, "fp32")


def test_a_day_of_multiplications_ends_in_time(copy: Path, tmp_path: Path, monkeypatch) -> None:
    settings = OpenvinoTarget().settings("fp32")
    path = tmp_path / "model.onnx"
    path.write_bytes(laborious().SerializeToString())
    monkeypatch.setattr(openvino_file, "read_bytes", lambda path, most: path.read_bytes())
    opened = openvino_file.OpenvinoFile(path, {"batch": 1, "settings": settings}, (1, 4, 4))
    with pytest.raises(UserError, match=r"model\.onnx: it took over 0.2 seconds"):
        opened.run(np.zeros((1, 1, 4, 4), np.float32), 0.2)
    begun = time.monotonic()
    del opened
    gc.collect()
    assert time.monotonic() - begun < 10, "who drops it waits for a run that was given up"
