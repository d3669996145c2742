"""Predictions from an exported folder: right, with nothing heavy loaded, and damage is named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from nastk.data.sources import Digits, ImageFolder
from nastk.deploy.export.classifier import open_classifier
from nastk.deploy.images import normalised
from nastk.deploy.manifest import describe_files
from nastk.errors import UserError
from nastk.jobs.predict import decoded, image_files, predictions
from nastk.networks.stored import load_trained
from tests.commands import run
from tests.deploy.digits import digit_files, exported_digits
from tests.deploy.pictures import ODD, photograph

LIGHT = {"onnxruntime", "numpy", "PIL"}
COUNT = 100


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def copy(export: Path, tmp_path: Path) -> Path:
    """An export to be damaged."""
    return Path(shutil.copytree(export, tmp_path / "copy"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    digit_files(tmp_path / "images", 3)
    return tmp_path / "images"


def test_a_folder_is_classified_as_the_trained_network_does(export: Path, tmp_path: Path, capsys) -> None:
    labels = digit_files(tmp_path / "images", COUNT)
    ran = run(
        capsys, "predict", f"model={export}", f"images={tmp_path / 'images'}", "format=json", "precision=fp32", "top=10"
    )
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    assert found["schema"] == 1 and found["file"] == "model.onnx" and found["failed"] == []
    assert [one["image"] for one in found["predictions"]] == [f"{index:04}.png" for index in range(COUNT)]
    trained = load_trained(export.parent / "transfer")
    normal = trained.facts["normalisation"]
    x = torch.from_numpy(normalised(Digits().test().x[:COUNT], normal["mean"], normal["std"]))
    with torch.no_grad():
        expected = torch.softmax(trained.network(x).double(), 1).numpy()
    for one, probabilities in zip(found["predictions"], expected, strict=True):
        assert [entry["probability"] for entry in one["top"]] == pytest.approx(sorted(probabilities)[::-1], abs=1e-5)
        assert one["label"] == one["top"][0]["label"] == str(probabilities.argmax())
    right = np.mean([int(one["label"]) == label for one, label in zip(found["predictions"], labels, strict=True)])
    assert right > 0.85


def test_the_table_has_a_line_an_image(export: Path, images: Path, capsys) -> None:
    ran = run(capsys, "predict", f"model={export}", f"images={images}", "top=2")
    lines = ran.out.splitlines()
    assert ran.code == 0 and [line.split()[0] for line in lines] == ["0000.png", "0001.png", "0002.png"]
    _, label, probability, second, less = lines[0].split()
    assert label in "0123456789" and label != second and 0 < float(less) < float(probability) <= 1
    ran = run(capsys, "predict", f"model={export}", f"images={images / '0001.png'}", "top=2")
    assert ran.out.splitlines() == [lines[1]]


def test_each_precision_can_be_chosen(export: Path, images: Path, capsys) -> None:
    answers = {}
    for precision, file in (("fp32", "model.onnx"), ("int8", "model.int8.onnx")):
        ran = run(capsys, "predict", f"model={export}", f"images={images}", f"precision={precision}", "format=json")
        answers[precision] = json.loads(ran.out)
        assert answers[precision]["file"] == file
    assert answers["fp32"]["predictions"] != answers["int8"]["predictions"]
    recommended = json.loads((export / "manifest.json").read_text())["recommended"]
    assert open_classifier(export).file == recommended


def test_only_onnxruntime_numpy_and_pillow_are_imported(export: Path, images: Path) -> None:
    """Every module loaded is of the standard library, nastk's own, or comes with one of the three."""
    code = (
        "import sys\nbefore = set(sys.modules)\nimport nastk.predict\n"
        f"sys.argv[1:] = ['model={export}', 'images={images}', 'format=json']\n"
        "try:\n    nastk.predict.main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*loaded - set(sys.stdlib_module_names), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(json.loads(ran.stdout)["predictions"]) == 3
    assert set(ran.stderr.split()) == LIGHT | {"nastk"}


@pytest.mark.parametrize("channels", [1, 3])
def test_odd_images_are_prepared_exactly_as_for_training(tmp_path: Path, channels: int) -> None:
    """The pixels that reach the network are those that the data source of training reads from the same files."""
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for name, mode in ODD.items():
        photograph(tmp_path / "data" / "a", name, mode)
        photograph(tmp_path / "data" / "b", name, mode)
    source = ImageFolder(root=str(tmp_path / "data"), resize=12, grey=channels == 1, test_share=0.5, workers=1)
    parts = [source.train(), source.test()]
    expected = torch.cat([part.pixels(torch.arange(len(part.y))) for part in parts]).numpy()

    class Seen:
        size, classes = 12, ("a", "b")

        def __init__(self) -> None:
            self.channels = channels
            self.pixels: list[np.ndarray] = []

        def probabilities(self, pixels: np.ndarray) -> np.ndarray:
            self.pixels.append(pixels)
            return np.ones((len(pixels), 2)) / 2

    seen = Seen()
    paths = image_files(tmp_path / "data")
    assert len(list(predictions(seen, paths, [str(path) for path in paths], decoded))) == 2 * len(ODD)
    found = np.concatenate(seen.pixels)
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)
    assert len({image.tobytes() for image in found}) > 5


def test_a_bad_image_among_others_is_named_and_the_others_are_predicted(export, images, capsys) -> None:
    (images / "0001.png").write_bytes((images / "0001.png").read_bytes()[:60])
    (images / "notes.txt").write_text("no image")
    (images / ".hidden.png").write_text("no image")
    (images / "more").mkdir()
    shutil.copy(images / "0000.png", images / "more" / "deep.PNG")
    ran = run(capsys, "predict", f"model={export}", f"images={images}", "format=json")
    found = json.loads(ran.out)
    assert ran.code == 1
    assert [one["image"] for one in found["predictions"]] == ["0000.png", "0002.png", "more/deep.PNG"]
    assert [one["image"] for one in found["failed"]] == ["0001.png"] and found["failed"][0]["reason"]
    assert len(ran.err.splitlines()) == 1 and ran.err.startswith("nastk: 0001.png: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["images=nowhere"], "images='nowhere': no such file or folder"),
        (["images={empty}"], "no image in it"),
        (["images={bad}"], "bad.png: no image of JPEG, PNG, WEBP, BMP or TIFF"),
        (["images={images}", "precision=int4"], "unknown precision of .*'int4'; nearest is 'int8'"),
        (["images={images}", "format=jsn"], "unknown format 'jsn'; nearest is 'json'"),
        (["images={images}", "top=0"], "top=0: expected at least 1"),
        (["images={images}", "topp=2"], "unknown setting 'topp'; nearest is 'top'"),
        (["images={images}", "model={empty}"], "no manifest.json in it"),
        ([], "images: not given"),
    ],
)
def test_mistakes_are_one_line(export, images, tmp_path, capsys, words, message) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.png").write_text("no image")
    places = {"empty": tmp_path / "empty", "images": images, "bad": tmp_path / "bad.png"}
    ran = run(capsys, "predict", f"model={export}", *(word.format(**places) for word in words))
    assert re.search(message, ran.line) and ran.out == ""


def test_a_file_that_was_changed_is_not_opened(copy: Path, images: Path, capsys) -> None:
    data = bytearray((copy / "model.onnx").read_bytes())
    data[-40] ^= 1
    (copy / "model.onnx").write_bytes(data)
    ran = run(capsys, "predict", f"model={copy}", f"images={images}", "precision=int8")
    assert "model.onnx: its SHA-256 is not the manifest's" in ran.line


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("preprocessing", "mean", [0.1, 0.2], "mean is"),
        ("preprocessing", "std", [0], "std is"),
        ("preprocessing", "channels", 2, "expected 1 or 3"),
        ("preprocessing", "height", 9, "expected 1 or 3 and one side"),
        (None, "classes", ["a"], "the manifest says"),
        (None, "classes", [1] * 10, "classes are not all text"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy: Path, part, field, value, message) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (manifest if part is None else manifest[part])[field] = value
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        open_classifier(copy)


def test_files_of_other_runtimes_are_passed_over(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "model.pte").write_bytes(b"another format")
    entry = {"sha256": hashlib.sha256(b"another format").hexdigest(), "size_bytes": 14}
    manifest["files"]["model.pte"] = entry
    manifest["recommended"] = "model.pte"
    manifest["targets"] = {"executorch": {"precisions": {"fp32": {"file": "model.pte"}}}, **manifest["targets"]}
    cpu, manifest["precisions"] = manifest["precisions"], {"fp32": {"file": "model.pte"}}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert open_classifier(copy).file in {entry["file"] for entry in cpu.values()}
    manifest["targets"] = {}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"has no ONNX file; its model\.pte needs a runtime of its own"):
        open_classifier(copy)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/hostname", "beside.bin"])
def test_a_model_that_keeps_data_in_other_files_is_refused(copy: Path, place: str, capfd, monkeypatch) -> None:
    """Even where the manifest, which may come from the same hand, has its hash, and that file lies where we work."""
    monkeypatch.chdir(copy)
    model = onnx.load(copy / "model.onnx")
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    (copy / "beside.bin").write_bytes(tensor.raw_data)
    (copy.parent / "secret.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    replace_model(copy, model)
    with pytest.raises(
        UserError, match=r"model\.onnx: .*tensor '.+' keeps its data in another file, expected one-file"
    ):
        open_classifier(copy, "fp32")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("entry", ["predict", "bench"])
@pytest.mark.parametrize("field", ["opset", "IR version"])
def test_a_model_newer_than_the_runtime_is_named_with_what_the_runtime_supports(
    copy: Path, images: Path, capsys, entry: str, field: str
) -> None:
    model = onnx.load(copy / "model.onnx")
    if field == "opset":
        model.opset_import[0].version = 99
    else:
        model.ir_version = 99
    replace_model(copy, model)
    words = ("precision=fp32", f"images={images}") if entry == "predict" else ("bench.seconds=0",)
    line = run(capsys, entry, f"model={copy}", *words).line
    assert "model.onnx: " in line and "onnxruntime_src" not in line
    if (entry, field) == ("bench", "IR version"):  # which ONNX's own checker finds first
        assert "ir_version 99 is higher than" in line
    else:
        assert re.search(rf"cannot run the model \({field} 99, it supports up to \d+\)", line)


def replace_model(export: Path, model: onnx.ModelProto) -> None:
    """Puts another graph in place of an export's, and its hash into the manifest."""
    (export / "model.onnx").write_bytes(model.SerializeToString())
    manifest = json.loads((export / "manifest.json").read_text())
    manifest["files"] |= describe_files(export, ["model.onnx"])
    (export / "manifest.json").write_text(json.dumps(manifest))
