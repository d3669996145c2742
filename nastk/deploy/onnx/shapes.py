"""Shapes of a graph's activations, inferred; nothing is run."""

from __future__ import annotations

import math

import onnx

Shape = tuple[int, ...]
READ = 1024  # values of a constant that shapes may depend on, such as what a Reshape reads


def inferred_graph(model: onnx.ModelProto, images: int | None = None) -> onnx.GraphProto:
    """Returns a graph with the types of its values inferred, strictly; its weights have shapes, and no contents.

    Inference takes and gives the bytes of a whole file, which for large networks takes seconds.

    Args:
        model: left as it is.
        images: that its batch has, where that is left open.
    """
    graph = model.graph
    light = onnx.GraphProto(name=graph.name)
    light.node.extend(graph.node)
    light.input.extend(graph.input)
    light.output.extend(graph.output)
    for constant in graph.initializer:
        short = math.prod(constant.dims) <= READ
        named = onnx.TensorProto(name=constant.name, data_type=constant.data_type, dims=constant.dims)
        light.initializer.append(constant if short else named)
    if images is not None:
        light.input[0].type.tensor_type.shape.dim[0].dim_value = images
    whole = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, graph=light)
    return onnx.shape_inference.infer_shapes(whole, strict_mode=True).graph


def activation_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Returns the shape of each activation for one image, its batch of 1 included; sizes left open count as 1."""
    inferred = inferred_graph(model, images=1)
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return {value.name: tuple(max(size.dim_value, 1) for size in value.type.tensor_type.shape.dim) for value in values}
