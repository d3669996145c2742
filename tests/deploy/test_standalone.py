"""The predict.py that an export carries: alone beside the model, it says what the network says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from nastk.decode import decode
from nastk.deploy import standalone
from nastk.deploy.classifier import open_classifier
from nastk.deploy.manifest import describe_files
from tests.deploy.digits import digit_files, exported_digits
from tests.deploy.pictures import ODD, photograph

# Runs the script as __main__ with whatever it needs, and then tells which packages that was.
TELLING = (
    "import runpy, sys\n"
    "try:\n    runpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
    "except SystemExit as stop:\n    code = stop.code\n"
    "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    "sys.exit(code)\n"
)


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


def predicted(script: Path, *words: Path | str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TELLING, str(script), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_it_classifies_real_digits_with_three_packages_only(export: Path, tmp_path: Path) -> None:
    labels = digit_files(tmp_path / "images", 40)
    paths = sorted((tmp_path / "images").iterdir())
    alone = Path(shutil.copytree(export, tmp_path / "elsewhere"))
    ran = predicted(alone / "predict.py", *paths, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stderr.split())
    assert {"onnxruntime", "numpy", "PIL"} <= loaded
    assert not loaded & {"nastk", "torch", "hydra", "onnx", "sklearn"}
    classifier = open_classifier(export)
    probabilities = classifier.probabilities(np.stack([decode(path, 1, 8) for path in paths]))
    lines = [line.split("  ") for line in ran.stdout.splitlines()]
    assert [line[0] for line in lines] == list(map(str, paths))
    for (_, answer), expected in zip(lines, probabilities, strict=True):
        label, probability = answer.split()
        assert label == str(expected.argmax()) and float(probability) == pytest.approx(expected.max(), abs=1e-4)
    assert np.mean([line[1].split()[0] == str(label) for line, label in zip(lines, labels, strict=True)]) > 0.85


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ODD)
def test_it_prepares_images_as_nastk_does(tmp_path: Path, name: str, channels: int) -> None:
    path = photograph(tmp_path, name, ODD[name])
    for size in (8, 30, 64):
        np.testing.assert_array_equal(standalone.decode(str(path), channels, size), decode(path, channels, size))


def test_a_model_that_was_changed_is_not_run(export: Path, tmp_path: Path) -> None:
    digit_files(tmp_path, 1)
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    for name in ("model.onnx", "model.int8.onnx"):
        (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    ran = predicted(copy / "predict.py", tmp_path / "0000.png", cwd=tmp_path)
    assert ran.returncode == 1 and ran.stdout == ""
    ran = subprocess.run([sys.executable, copy / "predict.py", "x.png"], capture_output=True, text=True, check=False)
    assert "its SHA-256 is not the manifest's" in ran.stderr and "Traceback" not in ran.stderr


def test_a_bad_image_is_named_and_the_others_are_classified(export: Path, tmp_path: Path) -> None:
    digit_files(tmp_path, 2)
    (tmp_path / "bad.png").write_text("no image")
    command = [sys.executable, export / "predict.py", "0000.png", "bad.png", "nowhere.png", "0001.png"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["0000.png", "0001.png"]
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["bad.png", "nowhere.png"]


def test_without_an_image_it_says_how_it_is_called(export: Path) -> None:
    ran = subprocess.run([sys.executable, export / "predict.py"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and ran.stderr == "expected: python predict.py IMAGE...\n"


def test_a_model_that_its_runtime_cannot_run_is_one_line(export: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    name = manifest["recommended"]
    model = onnx.load(copy / name)
    model.opset_import[0].version = 99
    (copy / name).write_bytes(model.SerializeToString())
    manifest["files"] |= describe_files(copy, [name])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    ran = subprocess.run([sys.executable, copy / "predict.py", "x.png"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith(f"{name}: onnxruntime ") and "pset 99" in ran.stderr


def test_it_is_short() -> None:
    assert len(Path(standalone.__file__).read_text().splitlines()) <= 60
