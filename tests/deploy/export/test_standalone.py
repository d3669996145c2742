"""The predict.py that an export carries: alone beside the model, it says what the network says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from nastk.data import decode as decoding
from nastk.data.decode import CorruptImage, decode
from nastk.deploy.export import standalone
from nastk.deploy.export.classifier import open_classifier
from nastk.deploy.manifest import describe_files
from tests.commands import run
from tests.deploy.digits import digit_files, exported_digits
from tests.deploy.pictures import ODD, WRITABLE, photograph, tiff, turned

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


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in WRITABLE.items() for mode in modes])
def test_it_turns_what_nastk_turns_in_every_mode_and_format(
    tmp_path: Path, suffix: str, mode: str, monkeypatch
) -> None:
    """Without what Pillow 9.4 has not, for it runs with that too."""
    paths = [turned(tmp_path, suffix, mode, orientation) for orientation in range(1, 9)]
    expected = [decode(path, channels, size) for path in paths for channels in (1, 3) for size in (31, 64)]
    monkeypatch.delattr(Image.Image, "has_transparency_data")
    found = [standalone.decode(str(path), channels, size) for path in paths for channels in (1, 3) for size in (31, 64)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    if suffix != ".bmp":  # which has no tag
        assert len({pixels.tobytes() for pixels in expected}) == len(expected)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.arange(40, dtype="<u2").reshape(4, 10) * 100, {"bits": 12}),
        (np.arange(40, dtype="<u1").reshape(4, 10) * 6, {"photometric": 0}),
        (np.arange(40, dtype="<i1").reshape(4, 10), {"sample_format": 2}),
        (np.arange(40, dtype="<i2").reshape(4, 10), {"sample_format": 2}),
        (np.arange(40, dtype="<i4").reshape(4, 10), {"sample_format": 2}),
        (np.arange(40, dtype="<u4").reshape(4, 10), {}),
        (np.arange(40, dtype="<f4").reshape(4, 10), {"sample_format": 3}),
    ],
)
def test_it_scales_and_refuses_the_numbers_that_nastk_does(tmp_path: Path, values: np.ndarray, options: dict) -> None:
    path = tiff(tmp_path / "a.tif", values, **options)
    try:
        expected = decode(path, 1, 4)
    except CorruptImage:
        with pytest.raises(ValueError, match="pixels that are floats, signed or of more than 16 bits"):
            standalone.decode(str(path), 1, 4)
    else:
        np.testing.assert_array_equal(standalone.decode(str(path), 1, 4), expected)


def test_it_takes_the_files_that_nastk_takes(export: Path, tmp_path: Path, capsys) -> None:
    """By content and by suffix; a folder is searched with its folders, and a GIF is no image to either."""
    assert (standalone.FORMATS, standalone.SUFFIXES) == (decoding.FORMATS, decoding.SUFFIXES)
    images = tmp_path / "images"
    for name in ("b.PNG", "a.tif", "in/c.mpo", "in-2/d.jpg", ".d.png", ".hidden/e.png", "f.gif", "g.txt"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        form = {".mpo": "JPEG", ".txt": "PNG"}.get(Path(name).suffix)
        Image.new("L", (9, 9), 50).save(images / name, form)
    shutil.copy(images / "f.gif", images / "gif.png")
    os.mkfifo(images / "pipe.png")
    nastk = run(capsys, "predict", f"model={export}", f"images={images}", "format=json")
    ran = predicted(export / "predict.py", images, cwd=tmp_path)
    listed = [str(Path(line.split("  ")[0]).relative_to(images)) for line in ran.stdout.splitlines()]
    assert (
        listed
        == [one["image"] for one in json.loads(nastk.out)["predictions"]]
        == ["a.tif", "b.PNG", "in/c.mpo", "in-2/d.jpg"]
    )
    assert (nastk.code, ran.returncode) == (1, 1)
    assert nastk.err.startswith("nastk: gif.png: no image of JPEG") and len(nastk.err.splitlines()) == 1
    assert ran.stderr.startswith(f"{images / 'gif.png'}: no image of JPEG")
    (tmp_path / "empty").mkdir()
    command = [sys.executable, export / "predict.py", tmp_path / "empty"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "empty: no image in it (.jpg, " in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_name_that_stdout_cannot_print_does_not_end_it(export: Path, tmp_path: Path, encoding: str) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["classes"] = ["猫\x1b]0;"] * 10
    (copy / "manifest.json").write_text(json.dumps(manifest))
    digit_files(tmp_path / "images", 2)
    (tmp_path / "images" / "0000.png").rename(tmp_path / "images" / "größe 犬.png")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for command in (["predict.py", "../images"], ["-m", "nastk.predict", "model=.", "images=../images"]):
        ran = subprocess.run([sys.executable, *command], cwd=copy, capture_output=True, env=environment, check=False)
        lines = ran.stdout.decode(encoding).splitlines()
        assert ran.returncode == 0 and ran.stderr == b"" and len(lines) == 2
        names = "größe 犬.png", "猫?]0;"
        for line, found in zip(lines[::-1], (names, names[1:]), strict=True):
            for name in found:
                assert name.encode(encoding, "backslashreplace").decode(encoding) in line


def without_numbers(model: onnx.ModelProto) -> None:
    weights = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()


def failing(model: onnx.ModelProto) -> None:
    """Puts a graph in its place that fits the manifest, and whose last node cannot be computed."""
    shape = onnx.numpy_helper.from_array(np.array([3, 10]), "shape")
    node = onnx.helper.make_node("Reshape", [model.graph.input[0].name, "shape"], [model.graph.output[0].name])
    for part, values in ((model.graph.node, [node]), (model.graph.initializer, [shape]), (model.graph.value_info, [])):
        del part[:]
        part.extend(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_numbers, "model.onnx: what it computes is not finite; its weights are damaged"),
        (failing, r"model.onnx: (?i:onnx ?runtime) 1\.\S+ cannot run .*Reshape"),
    ],
)
def test_a_model_that_gives_no_numbers_is_said_in_a_line(export: Path, tmp_path: Path, capsys, change, said) -> None:
    """Its hash is the manifest's, for whoever changed it could do that too."""
    digit_files(tmp_path / "images", 1)
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["recommended"] = "model.onnx"
    model = onnx.load(copy / "model.onnx")
    change(model)
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    manifest["files"] |= describe_files(copy, ["model.onnx"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    command = [sys.executable, copy / "predict.py", tmp_path / "images"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and ran.stdout == "" and ran.stderr.count("\n") == 1
    assert re.match(said, ran.stderr)
    for form in ("table", "json"):
        words = f"model={copy}", f"images={tmp_path / 'images'}", "precision=fp32", f"format={form}"
        answer = run(capsys, "predict", *words)
        assert re.search(said, answer.line) and answer.out == ""


def test_an_image_of_too_many_pixels_is_left_out(export: Path, tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    ran = subprocess.run(
        [sys.executable, export / "predict.py", tmp_path / "large.png"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1 and ran.stdout == "" and "decompression bomb" in ran.stderr


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
    assert ran.returncode == 1 and ran.stderr == "expected: python predict.py IMAGE_OR_FOLDER...\n"


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


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Exception from src/inference/core.cpp:97:\nCheck 'x' failed at src/y.cpp:3:\n Bad shape\n", "Bad shape"),
        ("Exception from src/inference/core.cpp:97:\n", "Exception from src/inference/core.cpp:97:"),
        ("[ONNXRuntimeError] : 1 : FAIL\nmore", "[ONNXRuntimeError] : 1 : FAIL"),
        ("", "RuntimeError"),
    ],
)
def test_a_runtimes_error_is_told_by_the_line_that_says_why(message: str, told: str) -> None:
    with pytest.raises(SystemExit, match=f"cannot run it: {re.escape(told)}$"):
        standalone.cannot_run("model.onnx", "onnxruntime", RuntimeError(message))


def test_it_is_short() -> None:
    assert len(Path(standalone.__file__).read_text().splitlines()) <= 150
