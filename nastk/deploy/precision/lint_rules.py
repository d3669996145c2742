"""The rules that an int8 graph keeps, one function each: it yields the nodes that break the rule, and says how."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx

from nastk.deploy.onnx.graph import OUTPUT
from nastk.deploy.onnx.graph_index import WEIGHTED, GraphIndex

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
Breach = tuple[onnx.NodeProto, str]
Rule = Callable[[GraphIndex], Iterator[Breach]]


def zero_points_are_zero(graph: GraphIndex) -> Iterator[Breach]:
    """Symmetric int8: every zero point is a constant 0 and no conversion is to or from uint8."""
    for node in _conversions(graph):
        zero = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or zero.dtype not in (np.int8, np.int32):
            yield node, f"zero point of type {None if zero is None else zero.dtype}, expected int8"
        elif np.any(zero):
            yield node, f"zero point {int(zero.flat[np.flatnonzero(zero)[0]])}, expected 0"


def activations_are_uint8(graph: GraphIndex) -> Iterator[Breach]:
    """On x86 activations are uint8: with int8, ONNX Runtime's x86 kernels take several times as long."""
    for node in _conversions(graph):
        if node.input[0] in graph.constants and node.op_type == "DequantizeLinear":
            continue
        zero = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or zero.dtype != np.uint8:
            yield node, f"zero point of type {None if zero is None else zero.dtype}, expected uint8"


def weights_are_int8_a_channel(graph: GraphIndex) -> Iterator[Breach]:
    """Weights are int8 with a scale for each output channel, on axis 0, and no zero point."""
    for node in _weighted(graph):
        source = graph.source(node.input[1])
        weight = graph.constants.get(source.input[0]) if source.op_type == "DequantizeLinear" else None
        if weight is None or weight.dtype != np.int8:
            yield node, "weights that are not int8, expected DequantizeLinear of an int8 constant"
            continue
        axis = next((attribute.i for attribute in source.attribute if attribute.name == "axis"), 1)
        wanted = 0 if node.op_type == "Conv" or _flag(node, "transB") else 1
        scale = graph.constants.get(source.input[1])
        if scale is None or scale.shape != weight.shape[wanted : wanted + 1] or axis != wanted:
            shape = None if scale is None else scale.shape
            yield (
                node,
                f"scales of shape {shape} on axis {axis} of its weights, expected one a channel on axis {wanted}",
            )
        elif len(source.input) > 2 and np.any(graph.constants[source.input[2]]):
            yield node, "weights with a zero point, expected symmetric ones"


def weighted_inputs_are_converted(graph: GraphIndex) -> Iterator[Breach]:
    """Every weighted operator reads a tensor that went through QuantizeLinear and DequantizeLinear."""
    for node in _weighted(graph):
        if not _is_paired(graph, node.input[0]):
            yield node, f"input {node.input[0]!r} in float, expected a QuantizeLinear and DequantizeLinear before it"


def biases_are_int32(graph: GraphIndex) -> Iterator[Breach]:
    """Biases are int32 in units of input scale times weight scale, so that they are added to the sums as they are."""
    for node in _weighted(graph):
        if len(node.input) < 3:
            continue
        parts = [graph.source(name) for name in node.input[:3]]
        scales = [graph.constants.get(part.input[1]) if len(part.input) > 1 else None for part in parts]
        bias = graph.constants.get(parts[2].input[0]) if parts[2].op_type == "DequantizeLinear" else None
        if bias is None or bias.dtype != np.int32:
            yield node, "a bias that is not int32"
        elif any(scale is None for scale in scales) or not np.allclose(scales[0] * scales[1], scales[2], rtol=1e-5):  # type: ignore[operator, arg-type]
            yield node, "a bias whose scale is not input scale times weight scale"


def biases_are_float(graph: GraphIndex) -> Iterator[Breach]:
    """TensorRT takes biases in float only."""
    for node in _weighted(graph):
        if len(node.input) > 2 and graph.source(node.input[2]).op_type == "DequantizeLinear":
            yield node, "a quantized bias, expected float32"


def additions_are_converted(graph: GraphIndex) -> Iterator[Breach]:
    """TensorRT adds in int8 only where both arms went through a pair."""
    for node in graph.model.graph.node:
        if node.op_type == "Add" and node.name not in graph.kept:
            for name in node.input:
                if not _is_paired(graph, name):
                    yield node, f"arm {name!r} in float, expected a QuantizeLinear and DequantizeLinear on both arms"


def only_these_are_converted(graph: GraphIndex) -> Iterator[Breach]:
    """TensorRT wants no conversion elsewhere: what a weighted operator makes stays in float until one reads it."""
    for node in graph.model.graph.node:
        if node.op_type in (*WEIGHTED, "Add"):
            continue
        for name in node.input:
            if graph.source(name).op_type == "DequantizeLinear":
                yield node, f"reads {name!r} from int8, expected only weighted operators and additions to"


def nothing_leaves_int8(graph: GraphIndex) -> Iterator[Breach]:
    """ONNX Runtime fuses a weighted operator only where its result, perhaps rectified, is quantized at once."""
    for node in _weighted(graph):
        name = node.output[0]
        readers = graph.readers.get(name, ())
        if len(readers) == 1 and readers[0].op_type == "Relu":
            readers = graph.readers.get(readers[0].output[0], ())
        floating = [reader.op_type for reader in readers if reader.op_type != "QuantizeLinear"]
        if name != OUTPUT and floating:
            yield node, f"its result is read in float by {floating[0]}, expected a QuantizeLinear behind it"


# What ONNX Runtime fuses into int8 kernels, on every processor.
ONNX_RUNTIME: tuple[Rule, ...] = (
    weighted_inputs_are_converted,
    weights_are_int8_a_channel,
    biases_are_int32,
    nothing_leaves_int8,
)


def _conversions(graph: GraphIndex) -> Iterator[onnx.NodeProto]:
    return (node for node in graph.model.graph.node if node.op_type in CONVERSIONS)


def _weighted(graph: GraphIndex) -> Iterator[onnx.NodeProto]:
    return (node for node in graph.model.graph.node if node.op_type in WEIGHTED and node.name not in graph.kept)


def _is_paired(graph: GraphIndex, name: str) -> bool:
    source = graph.source(name)
    if source.op_type != "DequantizeLinear":
        return False
    return source.input[0] in graph.constants or graph.source(source.input[0]).op_type == "QuantizeLinear"


def _flag(node: onnx.NodeProto, name: str) -> bool:
    return any(attribute.name == name and attribute.i for attribute in node.attribute)
