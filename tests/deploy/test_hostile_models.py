"""Model files that would never end, take all memory or fail as they run are refused in one line, by hash or not."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nastk.deploy.export.classifier import open_classifier
from nastk.deploy.manifest import describe_files
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.wire import operators, refuse_programs
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.runtimes.latency import measure
from nastk.errors import UserError
from nastk.files import write_json
from tests.deploy.networks import small

IMAGE, LOGITS = ("N", 1, 4, 4), ("N", 16)


def model_of(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> onnx.ModelProto:
    """A model from `image` to `logits`, whatever its nodes do."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, LOGITS)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])


def endless() -> onnx.ModelProto:
    """Adds nothing to an image, for ever."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still_going"]),
            helper.make_node("Identity", ["x"], ["same"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, ()),
            helper.make_tensor_value_info("going", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, LOGITS),
        ],
        [
            helper.make_tensor_value_info("still_going", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, LOGITS),
        ],
    )
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Loop", ["", "always", "flat"], ["logits"], body=body),
    ]
    return model_of(nodes, always=np.array(True))


def huge() -> onnx.ModelProto:
    """Asks for 400 GB between an image and its logits, from a file of a few hundred bytes."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("ReduceSum", ["flat", "rows"], ["sum"], keepdims=1),
        helper.make_node("Expand", ["sum", "shape"], ["wide"]),
        helper.make_node("ReduceMax", ["wide", "rows"], ["most"], keepdims=1),
        helper.make_node("Add", ["flat", "most"], ["logits"]),
    ]
    return model_of(nodes, rows=np.array([1]), shape=np.array([1, 10**11]))


def failing() -> onnx.ModelProto:
    """Looks a row up that is not there: known only as it runs."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Abs", ["whole"], ["above"]),
        helper.make_node("Add", ["above", "far"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["logits"]),
    ]
    return model_of(nodes, far=np.array([1000]), table=np.zeros(8, np.float32))


def laborious() -> onnx.ModelProto:
    """Small tensors, and a day of multiplications: the products of 100 matrices of 2^13 rows."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("ReduceSum", ["flat"], ["all"], keepdims=1),
        helper.make_node("Expand", ["all", "shape"], ["x0"]),
        *(helper.make_node("MatMul", [f"x{step}", f"x{step}"], [f"x{step + 1}"]) for step in range(100)),
        helper.make_node("ReduceMax", ["x100"], ["most"], keepdims=1),
        helper.make_node("Add", ["flat", "most"], ["logits"]),
    ]
    return model_of(nodes, shape=np.array([2**13, 2**13]))


def exported(folder: Path, model: onnx.ModelProto) -> Path:
    """The folder of an export with hashes that are right."""
    (folder / "model.onnx").write_bytes(serialise(model))
    manifest = {
        "schema": 1,
        "key": "a" * 32,
        "files": describe_files(folder, ["model.onnx"]),
        "source": {},
        "preprocessing": {"channels": 1, "height": 4, "width": 4, "mean": [0.5], "std": [0.5]},
        "classes": [str(index) for index in range(16)],
        "precisions": {"fp32": {"file": "model.onnx"}},
        "recommended": "model.onnx",
        "warnings": [],
    }
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (endless, "operator 'Loop' runs a graph of its own"),
        (huge, r"Expand node .* gives \[1, 100000000000\] for one image"),
        (laborious, "multiplications for one image"),
    ],
)
def test_a_model_is_bounded_before_it_runs(make, message, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(serialise(make()))
    with pytest.raises(UserError, match=message):
        validate_model(path)


def test_a_size_that_depends_on_the_image_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("NonZero", ["flat"], ["where"]),
        helper.make_node("Cast", ["where"], ["logits"], to=TensorProto.FLOAT),
    ]
    (tmp_path / "model.onnx").write_bytes(serialise(model_of(nodes)))
    with pytest.raises(UserError, match="NonZero node .*cannot be told"):
        validate_model(tmp_path / "model.onnx")


def test_a_model_that_fails_as_it_runs_is_one_line_of_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(serialise(failing()))
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime .* cannot run the model"):
        measure([tmp_path / "model.onnx"])


def test_prediction_refuses_what_runs_graphs_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.onnx: operator 'Loop' runs a graph of its own"):
        open_classifier(exported(tmp_path, endless()))


@pytest.mark.parametrize("make", [huge, failing])
def test_prediction_says_in_one_line_what_failed(make, tmp_path: Path) -> None:
    classifier = open_classifier(exported(tmp_path, make()))
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime .* cannot run the model"):
        classifier.probabilities(np.zeros((2, 1, 4, 4), np.uint8))
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_command_ends_with_one_line(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    words = ("-m", "nastk.predict", f"model={exported(tmp_path, huge())}", f"images={tmp_path / 'a.png'}")
    ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("nastk: ")
    assert ended.stderr.count("\n") == 1


def test_the_operators_are_read_without_onnx() -> None:
    model = quick_model(small(), (1, 3, 12, 12))
    data = serialise(model)
    assert [one.name for one in operators(memoryview(data))] == [node.op_type for node in model.graph.node]
    refuse_programs(data)
    custom = model_of([helper.make_node("Run", ["image"], ["logits"], domain="other")])
    with pytest.raises(UserError, match="'Run' of domain 'other'"):
        refuse_programs(serialise(custom))
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(UserError, match="not an ONNX model, or cut short"):
            refuse_programs(data[: int(len(data) * share)])
