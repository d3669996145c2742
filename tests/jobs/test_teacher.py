"""Opening a teacher: an export, an ONNX file or a trained network; what is none of them is refused in one line."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from nastk.data.normalisation import Normalisation
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.jobs.teacher import asked_teacher, open_teacher, teacher_lines
from nastk.training.run_settings import RunSettings
from nastk.training.transfer_settings import TransferSettings
from tests.deploy.digits import MEAN, STD, exported_digits

CPU = torch.device("cpu")
RECIPE = TransferSettings()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the trained network in `transfer` and its export in `export`."""
    folder = tmp_path_factory.mktemp("digits")
    exported_digits(folder)
    return folder


def with_softmax(path: Path, to: Path) -> Path:
    model = onnx.load(path)
    last = next(node for node in model.graph.node if node.output[0] == "logits")
    last.output[0] = "before"
    model.graph.node.append(helper.make_node("Softmax", ["before"], ["logits"], axis=1))
    onnx.save(model, to)
    return to


def test_every_form_of_a_network_answers_the_same(place: Path, tmp_path: Path) -> None:
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 1, 8, 8), np.float32))
    network = open_teacher(place / "transfer")
    expected = network.at(CPU)(images)
    own = Normalisation((MEAN,), (STD,))
    for path in (place / "export", place / "export" / "model.onnx"):
        teacher = open_teacher(path)
        assert torch.allclose(teacher.at(CPU)(images), expected, atol=1e-4)
        assert (teacher.classes, teacher.shape, teacher.normalisation) == (network.classes, (1, 8, 8), own)
        assert len(teacher.sha256) == 64 and teacher.sha256 != network.sha256
    bare = open_teacher(with_softmax(place / "export" / "model.onnx", tmp_path / "m.onnx"), own)
    assert (bare.classes, bare.normalisation) == (None, own)
    assert torch.allclose(bare.at(CPU)(images).softmax(1), expected.softmax(1), atol=1e-5)
    assert np.float32(1e-40) * np.float32(1) != 0, "denormal numbers are as they were"


def test_the_names_beside_a_file_are_its_classes(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "export" / "model.onnx", tmp_path)
    recipe = dataclasses.replace(RECIPE, teacher=str(tmp_path / "model.onnx"))
    teacher = asked_teacher(recipe, Digits(), RunSettings())
    assert teacher is not None and teacher.normalisation is None
    assert list(teacher_lines(teacher, [8]))[1:] == [
        "teacher: names no classes; its outputs are taken for the data's 10, in their order"
    ]
    (tmp_path / "labels.json").write_text(json.dumps([*"1023456789"]))
    with pytest.raises(UserError, match="in another order, expected those of the data"):
        asked_teacher(recipe, Digits(), RunSettings())
    (tmp_path / "labels.json").write_text("3")
    with pytest.raises(UserError, match=r"labels\.json: 3, expected a list of names"):
        asked_teacher(recipe, Digits(), RunSettings())


def test_another_size_is_told(place: Path) -> None:
    teacher = open_teacher(place / "transfer")
    lines = list(teacher_lines(teacher, [16, 8, 16]))
    assert lines[1:] == ["teacher: images of 16x16 pixels are resized to its 8x8"]
    assert list(teacher_lines(None, [8])) == []


def test_onnx_runtime_is_not_for_several_processes(place: Path) -> None:
    for name, fits in (("transfer", True), ("export", False)):
        recipe = dataclasses.replace(RECIPE, teacher=str(place / name))
        if fits:
            assert asked_teacher(recipe, Digits(), RunSettings(devices=2)) is not None
        else:
            with pytest.raises(UserError, match="ONNX Runtime runs it in one process, expected the folder"):
                asked_teacher(recipe, Digits(), RunSettings(devices=2))


def _damaged(place: Path, to: Path) -> Path:
    shutil.copytree(place / "transfer", to / "net")
    data = bytearray((to / "net" / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (to / "net" / "model.safetensors").write_bytes(data)
    return to / "net"


def _cut_short(place: Path, to: Path) -> Path:
    (to / "cut.onnx").write_bytes((place / "export" / "model.onnx").read_bytes()[:-100])
    return to / "cut.onnx"


def _changed(place: Path, to: Path) -> Path:
    shutil.copytree(place / "export", to / "export")
    (to / "export" / "model.onnx").write_bytes((place / "export" / "model.int8.onnx").read_bytes())
    return to / "export"


def _text(place: Path, to: Path) -> Path:
    (to / "notes.txt").write_text("a teacher")
    return to / "notes.txt"


def _run_folder(place: Path, to: Path) -> Path:
    shutil.copytree(place / "transfer", to / "run" / "transfer" / "abc")
    return to / "run"


def _not_finite(place: Path, to: Path) -> Path:
    model = onnx.load(place / "export" / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(np.full_like(onnx.numpy_helper.to_array(tensor), np.nan), tensor.name)
            )
    onnx.save(model, to / "nan.onnx")
    return to / "nan.onnx"


def _fixed_batch(place: Path, to: Path) -> Path:
    model = onnx.load(place / "export" / "model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, to / "one.onnx")
    return to / "one.onnx"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda place, to: to / "nothing", "nothing: not there, expected the folder of a trained network"),
        (lambda place, to: to, "no trained network in it$"),
        (_run_folder, r"no trained network in it, but in .*run/transfer/abc: give one of them"),
        (_text, r"is neither a folder nor an \.onnx file"),
        (_damaged, "its SHA-256 is not the one in network.json"),
        (_changed, "the manifest says|SHA-256 is not the manifest's"),
        (_cut_short, "ONNX Runtime .* cannot run the model|cut short"),
        (_not_finite, "what it computes is not finite; its weights are damaged"),
        (_fixed_batch, "with a free batch, the others fixed"),
    ],
)
def test_what_is_no_teacher_is_refused(
    make: Callable[[Path, Path], Path], line: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=line) as found:
        open_teacher(make(place, tmp_path))
    assert "\n" not in str(found.value)


def test_a_normalisation_is_for_a_bare_file_alone(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "export" / "model.onnx", tmp_path)
    known = dataclasses.replace(RECIPE, teacher=str(place / "export"), teacher_mean=(0.5,), teacher_std=(0.5,))
    coloured = dataclasses.replace(known, teacher=str(tmp_path / "model.onnx"), teacher_mean=(0.5,) * 3)
    for recipe, line in (
        (known, "says its own normalisation, leave teacher_mean and teacher_std out"),
        (coloured, "expected as many numbers in both"),
        (dataclasses.replace(coloured, teacher_std=(0.5,) * 3), r"expected 1 number\(s\), one a channel"),
        (dataclasses.replace(known, teacher=None), "are of a teacher's ONNX file, but training.teacher is none"),
    ):
        with pytest.raises(UserError, match=line):
            asked_teacher(recipe, Digits(), RunSettings())
