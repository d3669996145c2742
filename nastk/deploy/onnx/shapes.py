"""Shapes of a graph's activations, inferred; nothing is run."""

from __future__ import annotations

import onnx

Shape = tuple[int, ...]


def activation_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Returns the shape of each activation for one image, its batch of 1 included; sizes left open count as 1."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    single.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(single, strict_mode=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return {value.name: tuple(max(size.dim_value, 1) for size in value.type.tensor_type.shape.dim) for value in values}
