"""Damaged and hostile model files are refused before ONNX Runtime sees them."""

import onnx
import pytest
from onnx import TensorProto, helper

from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.runtimes.latency import measure
from nastk.errors import UserError
from tests.deploy.networks import small


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return quick_model(small(), (1, 3, 12, 12))


def refused(model: onnx.ModelProto | bytes, tmp_path, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else serialise(model))
    with pytest.raises(UserError, match=message) as error:
        validate_model(path)
    assert "model.onnx" in str(error.value)
    with pytest.raises(UserError):
        measure([path])


def changed(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def test_a_good_file_passes(model, tmp_path) -> None:
    (tmp_path / "model.onnx").write_bytes(serialise(model))
    checked = validate_model(tmp_path / "model.onnx")
    assert checked.data == serialise(model)
    assert (checked.shape, checked.classes) == ((3, 12, 12), 4)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"not a model", b"PK\x03\x04" + b"x" * 200])
def test_other_files(data: bytes, tmp_path) -> None:
    refused(data, tmp_path, "not an ONNX model")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_files_cut_short(share: float, model, tmp_path) -> None:
    data = serialise(model)
    refused(data[: int(len(data) * share)], tmp_path, "not an? .*ONNX model|inputs|not a valid")


def test_missing_files_and_folders(tmp_path) -> None:
    with pytest.raises(UserError, match="no such file"):
        validate_model(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="cannot be read"):
        validate_model(tmp_path)


@pytest.mark.parametrize("location", ["../../../etc/passwd", "weights.bin"])
def test_data_in_other_files(location: str, model, tmp_path) -> None:
    bad = changed(model)
    tensor = bad.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    refused(bad, tmp_path, "keeps its data in another file")


def test_data_in_other_files_inside_of_a_nodes_attribute(model, tmp_path) -> None:
    bad = changed(model)
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    inner = helper.make_graph([helper.make_node("Constant", [], ["y"], value=tensor)], "inner", [], [])
    bad.graph.node.append(helper.make_node("If", ["image"], ["z"], then_branch=inner, else_branch=inner))
    refused(bad, tmp_path, "'hidden' keeps its data in another file")


def test_operators_that_are_not_onnxs_own(model, tmp_path) -> None:
    bad = changed(model)
    bad.graph.node.append(helper.make_node("Run", ["image"], ["z"], domain="evil.ops", name="x"))
    bad.opset_import.append(helper.make_opsetid("evil.ops", 1))
    refused(bad, tmp_path, "evil.ops")


def test_functions_of_the_files_own(model, tmp_path) -> None:
    bad = changed(model)
    node = helper.make_node("Relu", ["x"], ["y"])
    bad.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [node], bad.opset_import))
    refused(bad, tmp_path, "functions of its own")


def test_graphs_that_do_not_hang_together(model, tmp_path) -> None:
    bad = changed(model)
    bad.graph.node[0].input[0] = "nothing"
    refused(bad, tmp_path, "not a valid ONNX model")


def test_tensors_with_fewer_bytes_than_their_shape_needs(model, tmp_path) -> None:
    bad = changed(model)
    bad.graph.initializer[0].raw_data = bad.graph.initializer[0].raw_data[:-4]
    refused(bad, tmp_path, "not a valid ONNX model")


def test_other_inputs_outputs_and_batches(model, tmp_path) -> None:
    bad = changed(model)
    bad.graph.input[0].name = "x"
    bad.graph.node[0].input[0] = "x"
    refused(bad, tmp_path, r"inputs \['x'\]")
    bad = changed(model)
    bad.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    refused(bad, tmp_path, "batch free")
    bad = changed(model)
    del bad.graph.input[0].type.tensor_type.shape.dim[3]
    refused(bad, tmp_path, "batch, channels, height, width")
    bad = changed(model)
    bad.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    refused(bad, tmp_path, "not float32")
