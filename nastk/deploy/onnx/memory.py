"""Peak activation memory of a network, by which tensors must live at once; nothing is run."""

from __future__ import annotations

import math

import onnx

from nastk.deploy.onnx.graph import INPUT

FLOAT_BYTES = 4


def peak_activation_bytes(model: onnx.ModelProto) -> int:
    """Returns the most bytes that activations of one image take at a time, in float32.

    An operator needs its inputs and its result together; a tensor lives from the operator that makes it, in the
    file's order, to the last that reads it. Weights are not counted, no result overwrites an input, and a runtime
    that reorders, fuses or blocks operators will differ somewhat: the number is for comparing networks.
    """
    sizes = _sizes(model)
    last = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    live = sizes[INPUT]
    peak = live
    for index, node in enumerate(model.graph.node):
        live += sum(sizes[name] for name in node.output)
        peak = max(peak, live)
        ended = {name for name in node.input if last[name] == index and name in sizes}
        live -= sum(sizes[name] for name in ended)
    return peak


def _sizes(model: onnx.ModelProto) -> dict[str, int]:
    """Returns the bytes of each activation at batch 1."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    single.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(single, strict_mode=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return {
        value.name: FLOAT_BYTES * math.prod(max(size.dim_value, 1) for size in value.type.tensor_type.shape.dim)
        for value in values
    }
