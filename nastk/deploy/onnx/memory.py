"""Peak activation memory of a network, by which tensors must live at once; nothing is run."""

from __future__ import annotations

import math

import onnx

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.shapes import activation_shapes

FLOAT_BYTES = 4


def peak_activation_bytes(model: onnx.ModelProto) -> int:
    """Returns the most bytes that activations of one image take at a time, in float32.

    An operator needs its inputs and its result together; a tensor lives from the operator that makes it, in the
    file's order, to the last that reads it. Weights are not counted, no result overwrites an input, and a runtime
    that reorders, fuses or blocks operators will differ somewhat: the number is for comparing networks.
    """
    sizes = {name: FLOAT_BYTES * math.prod(shape) for name, shape in activation_shapes(model).items()}
    last = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    live = sizes[INPUT]
    peak = live
    for index, node in enumerate(model.graph.node):
        live += sum(sizes[name] for name in node.output)
        peak = max(peak, live)
        ended = {name for name in node.input if last[name] == index and name in sizes}
        live -= sum(sizes[name] for name in ended)
    return peak
