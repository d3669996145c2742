"""`nastk.load`: an export answers for files, arrays and pictures alike, without torch, and refuses what is no image."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import nastk
from nastk.jobs.predict import PredictSettings, run_predict
from tests.api.conftest import Made

DIGITS = (load_digits().images[:70] * 255 / 16).round().astype(np.uint8)
LARGE = np.kron(DIGITS[:3], np.ones((3, 5), np.uint8))  # 24 x 40: cut and made smaller on the way
LIGHT = """
import sys
import nastk
light = sorted({"numpy", "torch", "optuna", "hydra", "matplotlib", "onnxruntime"} & set(sys.modules))
net = nastk.load(sys.argv[1])
answer = net.predict(sys.argv[2])
heavy = sorted({"torch", "optuna", "hydra", "omegaconf", "onnx", "pytorch_lightning", "sklearn"} & set(sys.modules))
print(light, heavy, answer.label, net.classes[3], net.input_shape)
"""


@pytest.fixture(scope="module")
def net(made: Made) -> nastk.Loaded:
    return nastk.load(made.exported[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("images")
    for index, image in enumerate(LARGE):
        Image.fromarray(image).save(place / f"{index}.png")
    return place


def test_import_and_prediction_load_no_torch(made: Made, folder: Path) -> None:
    command = [sys.executable, "-c", LIGHT, str(made.exported[0]), str(folder / "0.png")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = nastk.load(made.exported[0]).predict(folder / "0.png")
    assert isinstance(expected, nastk.Prediction)
    assert ran.stdout.split("\n")[0] == f"[] [] {expected.label} 3 (1, 8, 8)"


def test_every_form_of_the_same_images_gives_the_same_answers(net: nastk.Loaded, folder: Path, made: Made) -> None:
    files = net.predict(folder)
    assert isinstance(files, nastk.Predictions) and [one.image for one in files] == ["0.png", "1.png", "2.png"]
    pictures = [Image.fromarray(image) for image in LARGE]
    listed = [folder / "0.png", pictures[1], LARGE[2]]
    colour = np.repeat(LARGE[..., None], 3, axis=-1)
    for given in (LARGE, LARGE[..., None], list(LARGE), pictures, listed, colour):
        found = net.predict(given)
        assert isinstance(found, nastk.Predictions)
        assert [one.probabilities for one in found] == [one.probabilities for one in files]
    for alone in (folder / "1.png", str(folder / "1.png"), pictures[1], LARGE[1], colour[1]):
        found = net.predict(alone)
        assert isinstance(found, nastk.Prediction) and found.probabilities == files[1].probabilities
    assert made.run.predict(LARGE[1]) == net.predict(LARGE[1])


def test_answers_are_the_commands_and_are_ranked(net: nastk.Loaded, folder: Path) -> None:
    with redirect_stdout(io.StringIO()) as out:
        assert run_predict(PredictSettings(model=str(net.folder), images=str(folder), format="json", top=3)) == 0
    found = net.predict(folder)
    assert isinstance(found, nastk.Predictions)
    for one, told in zip(found, json.loads(out.getvalue())["predictions"], strict=True):
        assert one.label == told["label"] and round(one.probability, 6) == told["probability"]
        ranked = list(one.probabilities.items())
        assert [name for name, _ in ranked[:3]] == [entry["label"] for entry in told["top"]]
        assert sum(one.probabilities.values()) == pytest.approx(1) and ranked[0] == (one.label, one.probability)


def test_more_images_than_a_batch_keep_their_order(net: nastk.Loaded) -> None:
    found = net.predict(DIGITS)
    assert isinstance(found, nastk.Predictions) and len(found) == 70
    last = net.predict(DIGITS[69])
    assert isinstance(last, nastk.Prediction)
    assert found[69].probabilities == pytest.approx(last.probabilities, abs=1e-5)
    assert found[69].image == "image 69" and "image 69" in found._repr_html_()


def test_what_cannot_be_decoded_is_left_out_of_a_folder_and_a_mistake_elsewhere(
    net: nastk.Loaded, folder: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "images"))
    (place / "bad.png").write_bytes(b"no image")
    found = net.predict(place)
    assert isinstance(found, nastk.Predictions) and len(found) == 3
    assert list(found.failed) == ["bad.png"] and "no image of JPEG" in found.failed["bad.png"]
    for given in (place / "bad.png", [place / "0.png", place / "bad.png"]):
        with pytest.raises(nastk.UserError, match=r"bad.png: no image of JPEG"):
            net.predict(given)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ("nowhere.png", "images='nowhere.png': no such file or folder"),
        (["nowhere.png"], "images[0]='nowhere.png': no such file"),
        ([], "images=[]: no image in it"),
        (DIGITS[:0], "an array of shape (0, 8, 8), no image in it"),
        (DIGITS[0, :0], "an array of shape (0, 8), expected (height, width)"),
        (DIGITS[0, 0], "an array of shape (8,), expected (height, width)"),
        (DIGITS / 255, "an array of float64, expected a path, a picture of Pillow's or an array of uint8; (x * 255)"),
        (DIGITS.astype(int), "an array of int64, expected a path"),
        (np.zeros((2, 3, 8, 8), np.uint8), "an array of shape (2, 3, 8, 8)"),
        (np.zeros((2, 1, 8, 8), np.uint8), "np.moveaxis(x, 1, -1) brings the colours last"),
        (None, "images: NoneType, expected a path"),
        (Image.new("F", (8, 8)), "a picture of floats (mode F)"),
    ],
)
def test_what_is_no_image_is_one_line(net: nastk.Loaded, images: Any, told: str) -> None:
    with pytest.raises(nastk.UserError) as raised:
        net.predict(images)
    assert told in str(raised.value)


def test_what_is_no_export_is_one_line(made: Made, tmp_path: Path) -> None:
    assert nastk.load(made.run.folder).folder == made.exported[0]
    assert nastk.load(made.exported[0], "int8").precision == "int8"
    with pytest.raises(nastk.UserError, match="unknown precision of .* 'int4'; nearest is 'int8'"):
        nastk.load(made.exported[0], "int4")
    with pytest.raises(nastk.UserError, match=r"no manifest.json in it, expected the folder of an export"):
        nastk.load(tmp_path)
    with pytest.raises(nastk.UserError, match="no such folder"):
        nastk.load(tmp_path / "none")
    place = Path(shutil.copytree(made.exported[0], tmp_path / "export"))
    (place / "model.onnx").write_bytes((place / "model.onnx").read_bytes()[:-1])
    with pytest.raises(nastk.UserError, match=r"model.onnx: .* the file was changed or cut short"):
        nastk.load(place)
