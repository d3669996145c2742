"""Writes a float32 ONNX graph as a LiteRT file: in float32, or in int8 by nastk's ranges."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.tflite import operators, place_operators, window_operators
from nastk.deploy.tflite.conversion import Conversion
from nastk.deploy.tflite.emitting import EMITTERS
from nastk.deploy.tflite.graph import Graph

WRITERS = (operators, place_operators, window_operators)  # which enter into `EMITTERS` what they write


def tflite_graph(
    model: onnx.ModelProto,
    ranges: Ranges | None = None,
    keep_float: Collection[str] = (),
    byte_ends: bool = False,
) -> Graph:
    """Returns the graph for one image, in the order of the model.

    int8 is that of LiteRT's specification (https://ai.google.dev/edge/litert/models/quantization_spec): activations
    asymmetric a tensor, weights symmetric a channel, biases int32.

    Args:
        model: in float32, as nastk writes it, from `image` to `logits`.
        ranges: of its tensors, for int8; None for float32.
        keep_float: names of layers that compute in float32 in an int8 file.
        byte_ends: image and logits are int8 with channels last, as microcontrollers want them; else float32, and the
            image has its channels first, as in every other file of an export.

    Raises:
        UnsupportedError: an operator that has no form in LiteRT here; names it.
    """
    conversion = Conversion(model, ranges, keep_float)
    image = conversion.begin(byte_ends)
    for node in model.graph.node:
        if node.name in conversion.absorbed:
            continue
        if node.op_type not in EMITTERS:
            raise UnsupportedError(f"{node.name}: operator {node.op_type}")
        EMITTERS[node.op_type](conversion, node)
    return conversion.graph(image, byte_ends)
