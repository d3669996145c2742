"""What is written keeps TensorRT's tables; each rule, broken by a made graph, is named with node and versions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from nastk.deploy.onnx.graph_index import graph_index
from nastk.deploy.onnx.writer import onnx_model
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.lint import OPSETS as WRITTEN
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import TENSORRT
from nastk.deploy.targets import TensorrtTarget
from nastk.deploy.targets.tensorrt_operators import OPERATORS, OPSETS, VERSIONS
from nastk.deploy.targets.tensorrt_restrictions import RESTRICTIONS
from nastk.deploy.targets.tensorrt_rules import GRAPH_RULES
from nastk.errors import UserError
from nastk.ops import OPS, build_op
from tests.deploy.networks import enliven

BOTH = r" \(TensorRT 10\.16 and 11\.1\)"
CONSTANTS = {
    "scale": np.float32(0.1),
    "zero": np.int8(0),
    "three": np.int8(3),
    "axes": np.array([2, 3], np.int64),
    "scales": np.array([2, 2], np.float32),
    "weights": np.zeros((4, 3, 1, 1), np.int8),
    "count": np.array([2, 3, 4, 4], np.int32),
}


def made(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Returns a model of these nodes, which read "image" (n, 3, 8, 8) and CONSTANTS and make "logits"."""
    image = helper.make_tensor_value_info("image", kind, ["n", 3, 8, 8])
    logits = helper.make_value_info("logits", onnx.TypeProto())
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()]
    graph = helper.make_graph(nodes, "made", [image], [logits], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def node(operator: str, *inputs: str, outputs: tuple[str, ...] = ("logits",), **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs or ["image"], outputs, name="it", **attributes)


def broken(model: onnx.ModelProto) -> list[str]:
    graph = graph_index(model)
    return [breach for rule in GRAPH_RULES for _, breach in rule(graph)]


COMPUTED = node("Shape", outputs=("sizes",), start=2)
FOLDED = helper.make_node("Cast", ["axes"], ["folded"], to=TensorProto.INT64)
BREACHES = {
    "flat_pooling": (made(node("MaxPool", kernel_shape=[3])), r"a kernel of 1 dimension\(s\), expected 2 or 3"),
    "undilated": (
        made(node("AveragePool", kernel_shape=[2, 2], dilations=[1, 2])),
        r"dilations \[1, 2\], expected none",
    ),
    "one_output": (
        made(node("MaxPool", kernel_shape=[2, 2], outputs=("logits", "where"))),
        "2 outputs, expected the first",
    ),
    "zero_point_is_zero": (made(node("QuantizeLinear", "image", "scale", "three")), "a zero point of 3, expected 0"),
    "plain_constant": (made(node("Constant", outputs=("logits",), value_string="a")), "a constant by value_string"),
    "axes_are_initializer": (
        made(COMPUTED, node("ReduceMean", "image", "sizes")),
        "axes 'sizes' are computed, expected an",
    ),
    "axes_are_constant": (made(COMPUTED, node("Unsqueeze", "image", "sizes")), "axes 'sizes' depend on the images"),
    "known_resize": (
        made(node("Resize", "image", "", "scales", mode="cubic")),
        "mode cubic, expected nearest, linear",
    ),
}
MORE = {
    "resized without the corners": (
        made(node("Resize", "image", "", "scales", coordinate_transformation_mode="tf_crop_and_resize")),
        "coordinate_transformation_mode tf_crop_and_resize, expected half_pixel, ",
    ),
    "smoothed": (made(node("Resize", "image", "", "scales", mode="linear", antialias=1)), "antialias 1, expected 0"),
    "kept in proportion": (
        made(node("Resize", "image", "", "", "axes", keep_aspect_ratio_policy="not_larger")),
        "policy not_larger, expected stretch",
    ),
    "scaled on some axes": (made(node("Resize", "image", "", "scales", axes=[2, 3])), r"scales on axes \[2, 3\]"),
    "a zero point that is computed": (
        made(COMPUTED, node("QuantizeLinear", "image", "scale", "sizes")),
        "'sizes' is computed",
    ),
    "pooled in int8": (
        made(node("MaxPool", kernel_shape=[2, 2]), kind=TensorProto.INT8),
        "'image' of type INT8, expected BFLOAT16",
    ),
    "uint8 pixels": (
        made(node("Conv", "image", "weights"), kind=TensorProto.UINT8),
        "'image' of type UINT8, expected BFLOAT16",
    ),
    "cast to text": (made(node("Cast", to=TensorProto.STRING)), "'logits' of type STRING, expected"),
    "chosen from text": (
        made(node("Where", "image", "text", "text"), node("Cast", outputs=("text",), to=TensorProto.STRING)),
        "type STRING",
    ),
    "int32 made float": (made(node("DequantizeLinear", "count", "scale")), "'count' of type INT32, expected"),
}


def test_there_is_a_graph_for_every_restriction() -> None:
    assert BREACHES.keys() == RESTRICTIONS.keys()
    assert {name for operator in OPERATORS.values() for name in operator.restrictions} == RESTRICTIONS.keys()


@pytest.mark.parametrize("name", [*BREACHES, *MORE])
def test_a_broken_rule_is_named_with_its_versions(name: str) -> None:
    model, message = (BREACHES | MORE)[name]
    with pytest.raises(AssertionError, match=message):
        assert not broken(model), broken(model)
    assert any(breach.endswith("(TensorRT 10.16 and 11.1)") for breach in broken(model))


@pytest.mark.parametrize(
    "model",
    [
        made(node("MaxPool", kernel_shape=[2, 2], dilations=[1, 1])),
        made(node("ReduceMean", "image", "axes")),
        made(FOLDED, node("Squeeze", "image", "folded")),
        made(node("QuantizeLinear", "image", "scale", "zero")),
        made(node("Resize", "image", "", "", "axes", axes=[2, 3], mode="linear", nearest_mode="floor")),
        made(node("Where", "image", "image", "image"), kind=TensorProto.BOOL),
    ],
    ids=lambda model: model.graph.node[-1].op_type,
)
def test_what_the_table_allows_passes(model: onnx.ModelProto) -> None:
    assert broken(model) == []


def test_a_linted_file_is_refused_with_node_and_rule() -> None:
    model = made(node("MaxPool", kernel_shape=[2, 2], dilations=[2, 1]))
    with pytest.raises(UserError, match=rf"^target tensorrt: MaxPool node 'it': dilations \[2, 1\], .*{BOTH}$"):
        lint(model, TensorrtTarget())


@pytest.mark.parametrize(
    "operator, message",
    [
        ("Swish", r"no operator of TensorRT 10\.16; 11\.1 has it"),
        ("DynamicQuantizeLinear", "it has no operator DynamicQuantizeLinear"),
        ("MaxUnpool", "it has no operator MaxUnpool"),
    ],
)
def test_an_operator_that_a_version_lacks_is_named(operator: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"^target tensorrt: {operator} node 'it': {message}$"):
        lint(made(node(operator)), TensorrtTarget())


def test_the_table_is_of_onnx_and_covers_the_opsets_that_are_written() -> None:
    assert all(onnx.defs.has(name) for name in OPERATORS)
    assert all(operator.types and operator.versions[-1] == VERSIONS[-1] for operator in OPERATORS.values())
    assert OPSETS[0] <= WRITTEN[0] <= WRITTEN[1] <= OPSETS[1]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", sorted(OPS))
def test_every_operation_of_cells_keeps_the_rules_in_each_precision(name: str, stride: int) -> None:
    torch.manual_seed(0)
    operation = build_op(name, 8, 12, stride)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), operation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4))
    model = onnx_model(enliven(module), (1, 3, 9, 9))
    ranges = assumed_ranges(model)
    for written in (model, half_model(model, ranges), quantized_model(model, ranges, TENSORRT)):
        lint(written, TensorrtTarget())
