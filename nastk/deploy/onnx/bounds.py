"""Bounds what a model from outside can cost for an image: how large each of its tensors is, how much is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from nastk.errors import UserError

MAX_NODES = 100_000
MAX_ELEMENTS = 2**28  # of one tensor for one image: 1 GiB of float32
MAX_OPERATIONS = 2 * 10**12  # multiplications for one image; the largest published NASNet has 2.4e10
PRODUCTS = ("MatMul", "Gemm", "QLinearMatMul", "MatMulInteger")
CONVOLUTIONS = ("Conv", "QLinearConv", "ConvInteger", "ConvTranspose")
WEIGHT = {"Conv": 1, "ConvTranspose": 1, "ConvInteger": 1, "QLinearConv": 3, "QLinearMatMul": 3}

Shapes = Mapping[str, Sequence[int]]


def check_bounds(path: Path, model: onnx.ModelProto) -> None:
    """Checks a model from `image` before it is run.

    Args:
        path: for messages.
        model: whose input has a free batch size; it is not changed.

    Raises:
        UserError: it runs graphs within graphs, the size of a tensor cannot be told beforehand, or one is too large, or
            the whole is too much to compute.
    """
    if len(model.graph.node) > MAX_NODES:
        raise UserError(f"{path}: {len(model.graph.node)} nodes, expected at most {MAX_NODES}")
    for node in model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise UserError(f"{path}: operator {node.op_type!r} runs a graph of its own, expected a plain graph")
    shapes = _shapes(path, model)
    operations = 0
    for node in model.graph.node:
        for name in filter(None, node.output):
            count = math.prod(shapes.get(name, (-1,)))
            if count < 0:
                raise UserError(f"{path}: {node.op_type} node {node.name!r}: the size of its result cannot be told")
            if count > MAX_ELEMENTS:
                raise UserError(
                    f"{path}: {node.op_type} node {node.name!r} gives {list(shapes[name])} for one image, "
                    f"expected at most {MAX_ELEMENTS} elements"
                )
        operations += _operations(node, shapes)
    if operations > MAX_OPERATIONS:
        raise UserError(
            f"{path}: {operations:.1e} multiplications for one image, expected at most {MAX_OPERATIONS:.0e}"
        )


def _shapes(path: Path, model: onnx.ModelProto) -> Shapes:
    """Returns the shape of every tensor whose size is known, for one image."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in single.graph.input:
        for dimension in value.type.tensor_type.shape.dim[:1]:
            if not dimension.dim_value:
                dimension.dim_value = 1
    del single.graph.value_info[:]  # what the file says of itself is not what its operators do
    for value in single.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        found = onnx.shape_inference.infer_shapes(single, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a valid ONNX model ({' '.join(str(error).split())[:200]})") from None
    shapes = {tensor.name: tuple(tensor.dims) for tensor in found.initializer}
    for value in (*found.input, *found.value_info, *found.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dimension.HasField("dim_value") for dimension in kind.shape.dim):
            shapes[value.name] = tuple(dimension.dim_value for dimension in kind.shape.dim)
    return shapes


def _operations(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Returns how many multiplications a node needs, or more where that is hard to tell."""
    count = sum(math.prod(shapes[name]) for name in filter(None, node.output))
    inputs = [shapes.get(name, ()) for name in node.input]
    if node.op_type == "Einsum":
        return math.prod(math.prod(shape) for shape in inputs)
    place = WEIGHT.get(node.op_type, 1)
    if node.op_type in CONVOLUTIONS and len(inputs) > place:
        outer, *others = inputs[place] or (1,)
        return count * math.prod(others) if node.op_type != "ConvTranspose" else count * outer * math.prod(others[1:])
    if node.op_type in PRODUCTS and inputs:
        return count * max(inputs[0], default=1)
    windows = [attribute.ints for attribute in node.attribute if attribute.name == "kernel_shape"]
    return count * math.prod(windows[0]) if windows else count
