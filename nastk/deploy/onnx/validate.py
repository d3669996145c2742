"""Reads a model file that may be damaged or hostile: everything is checked before a session sees a byte of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from nastk.deploy.onnx.bounds import check_bounds
from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.errors import UserError, unknown
from nastk.outside import read_bytes

MAX_BYTES = 2**31 - 1
DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class CheckedModel:
    """A model file that may be run.

    Attributes:
        data: the bytes that were checked; a session is opened from them, so that no later change of the file counts.
        shape: of one image, (channels, height, width).
        classes: width of the logits.
    """

    data: bytes
    shape: tuple[int, int, int]
    classes: int


def validate_model(path: Path) -> CheckedModel:
    """Reads and checks an ONNX file.

    Raises:
        UserError: it is missing, no ONNX model, cut short, keeps data in other files, uses operators that are not
            ONNX's own, is not a network from `image` to `logits` with a free batch size, or `check_bounds` refuses it.
    """
    data = read_bytes(path, MAX_BYTES)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise UserError(f"{path}: not an ONNX model, or cut short") from None
    if not model.graph.node:
        raise UserError(f"{path}: not an ONNX model (it has no nodes)")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise UserError(f"{path}: tensor {tensor.name!r} keeps its data in another file, expected one-file ONNX")
    for node in _nodes(model.graph):
        if node.domain not in DOMAINS:
            raise unknown(f"operator domain in {path}: node {node.name!r}", node.domain, ["ai.onnx"])
    if model.functions:
        raise UserError(f"{path}: defines functions of its own, expected only ONNX's operators")
    try:
        onnx.checker.check_model(data)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a valid ONNX model ({_first_line(error)})") from None
    shape, classes = _form(path, model)
    check_bounds(path, model)
    return CheckedModel(data, shape, classes)


def _form(path: Path, model: onnx.ModelProto) -> tuple[tuple[int, int, int], int]:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    found = [[value.name for value in inputs], [value.name for value in model.graph.output]]
    if found != [[INPUT], [OUTPUT]]:
        raise UserError(f"{path}: inputs {found[0]}, outputs {found[1]}, expected {INPUT!r} and {OUTPUT!r}")
    image, logits = _dimensions(inputs[0]), _dimensions(model.graph.output[0])
    if len(image) != 4 or image[0] > 0 or min(image[1:]) < 1:
        raise UserError(
            f"{path}: input {INPUT} of shape {image}, expected (batch, channels, height, width), batch free"
        )
    if len(logits) != 2 or logits[0] > 0 or logits[1] < 1:
        raise UserError(f"{path}: output {OUTPUT} of shape {logits}, expected (batch, classes), batch free")
    kinds = [value.type.tensor_type.elem_type for value in (inputs[0], model.graph.output[0])]
    if kinds != [TensorProto.FLOAT, TensorProto.FLOAT]:
        raise UserError(f"{path}: {INPUT} or {OUTPUT} is not float32")
    return (image[1], image[2], image[3]), logits[1]


def _dimensions(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Returns the dimensions, 0 for a free one."""
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    graphs = [model.graph]
    for node in _nodes(model.graph):
        for attribute in node.attribute:
            graphs += [attribute.g, *attribute.graphs]
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
