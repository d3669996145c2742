"""What moves values to other places, or sets maps beside each other, as LiteRT has it."""

from __future__ import annotations

import onnx

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.tflite.conversion import (
    NONE,
    TO_FIRST,
    Conversion,
)
from nastk.deploy.tflite.emitting import emits, known_range, type_of


@emits("Concat")
def _concat(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = type_of(conversion, node), node.output[0]
    known = known_range(conversion, name, dtype)
    parts = [conversion.read(part, dtype) for part in node.input]
    if known is not None:
        parts = [conversion.requantized(part, known) for part in parts]
    axis = _axis(conversion, name, conversion.attributes(node)["axis"])
    conversion.add("CONCATENATION", parts, name, dtype, known, axis=axis, fusedActivationFunction=NONE)


@emits("Flatten", "Reshape")
def _flatten(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = type_of(conversion, node), node.output[0]
    source = conversion.read(node.input[0], dtype)
    shape = conversion.shape(name)
    if len(shape) > 2 or len(source.shape) not in (2, 4):
        raise UnsupportedError(f"{node.name}: reshaping to {len(shape)} dimensions")
    if len(source.shape) == 4 and source.shape[1:3] != (1, 1):
        turned = tuple(source.shape[axis] for axis in TO_FIRST)
        order = conversion.integers("channels_first", TO_FIRST)
        source = conversion.made("TRANSPOSE", [source, order], f"{name}.first", turned, dtype, source.quantization)
    wanted = conversion.integers("shape", shape)
    conversion.add("RESHAPE", [source, wanted], name, dtype, source.quantization, newShape=list(shape))


@emits("Expand")
def _expand(conversion: Conversion, node: onnx.NodeProto) -> None:
    source, name = conversion.read(node.input[0], type_of(conversion, node)), node.output[0]
    inputs = [source, conversion.integers("shape", conversion.shape(name))]
    conversion.add("BROADCAST_TO", inputs, name, source.dtype, source.quantization)


@emits("Pad")
def _pad(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], type_of(conversion, node))
    pads = conversion.whole_numbers(node.input[1])
    value = conversion.constants.get(node.input[2]) if len(node.input) > 2 else None
    if len(source.shape) != 4 or len(node.input) > 3 or (value is not None and value.any()) or min(pads) < 0:
        raise UnsupportedError(f"{node.name}: a padding other than of maps with zeros")
    if conversion.attributes(node).get("mode", b"constant") != b"constant":
        raise UnsupportedError(f"{node.name}: a padding other than of maps with zeros")
    sides = [(pads[axis], pads[axis + 4]) for axis in (0, 2, 3, 1)]
    inputs = [source, conversion.integers("pads", sides)]
    conversion.add("PAD", inputs, node.output[0], source.dtype, source.quantization)


@emits("Slice")
def _slice(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], type_of(conversion, node))
    given = [conversion.whole_numbers(name) for name in node.input[1:]]
    starts, ends = given[:2]
    axes = given[2] if len(given) > 2 else list(range(len(starts)))
    steps = given[3] if len(given) > 3 else [1] * len(starts)
    cuts = [(0, size, 1) for size in source.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = _axis(conversion, node.input[0], axis)
        cuts[place] = slice(start, end, step).indices(source.shape[place])
    bounds = [conversion.integers(word, [cut[k] for cut in cuts]) for k, word in enumerate(("begin", "end", "step"))]
    conversion.add("STRIDED_SLICE", [source, *bounds], node.output[0], source.dtype, source.quantization)


@emits("Gather")
def _gather(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], type_of(conversion, node))
    axis = _axis(conversion, node.input[0], conversion.attributes(node).get("axis", 0))
    inputs = [source, conversion.integers("order", conversion.whole_numbers(node.input[1]))]
    conversion.add("GATHER", inputs, node.output[0], source.dtype, source.quantization, axis=axis)


def _axis(conversion: Conversion, name: str, axis: int) -> int:
    """Returns where an axis of an activation lies in LiteRT."""
    rank = len(conversion.shapes[name])
    return TO_FIRST[axis % 4] if rank == 4 else axis % rank
