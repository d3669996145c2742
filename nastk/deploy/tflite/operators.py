"""How each ONNX operator of nastk's graphs is said in LiteRT's: one short function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.precision.quantizer import GREATEST_BIAS, LEAST_WEIGHT_SCALE
from nastk.deploy.precision.weight_steps import GREATEST_WEIGHT, weight_steps
from nastk.deploy.tflite.conversion import (
    FLOAT,
    INT8,
    INT32,
    LOGISTIC,
    NONE,
    RELU6,
    TO_FIRST,
    UINT8_ZERO,
    Conversion,
)
from nastk.deploy.tflite.graph import Quantization, Tensor
from nastk.deploy.tflite.windows import SAME, VALID, Window, window

Emitter = Callable[[Conversion, onnx.NodeProto], None]
EMITTERS: dict[str, Emitter] = {}
FLOAT_LEAST = float(np.finfo(np.float32).min)


def emits(*kinds: str) -> Callable[[Emitter], Emitter]:
    """Enters a function as what writes nodes of these kinds."""

    def enter(emitter: Emitter) -> Emitter:
        EMITTERS.update(dict.fromkeys(kinds, emitter))
        return emitter

    return enter


def _type(conversion: Conversion, node: onnx.NodeProto) -> str:
    return INT8 if conversion.in_int8(node) else FLOAT


def _known(conversion: Conversion, name: str, dtype: str) -> Quantization | None:
    return conversion.quantization(name) if dtype == INT8 else None


# -- layers with weights


@emits("Conv")
def _conv(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, how = _type(conversion, node), conversion.attributes(node)
    weight = conversion.constants[node.input[1]]
    source = conversion.read(node.input[0], dtype)
    group, channels = int(how.get("group", 1)), source.shape[3]
    place = _window(conversion, node, how, weight.shape[2:])
    padded = _padded(conversion, source, place)
    depthwise = group == channels and group > 1
    order, axis = ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
    constants = _weights(conversion, node, weight, source, order, axis)
    name, activation = conversion.result(node)
    options = {
        **{"padding": place.padding, "strideH": place.strides[0], "strideW": place.strides[1]},
        **{"dilationHFactor": place.dilations[0], "dilationWFactor": place.dilations[1]},
        "fusedActivationFunction": activation,
        **({"depthMultiplier": weight.shape[0] // group} if depthwise else {}),
    }
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    conversion.add(kind, [padded, *constants], name, dtype, _known(conversion, name, dtype), **options)


@emits("Gemm")
def _gemm(conversion: Conversion, node: onnx.NodeProto) -> None:
    how = {"transA": 0, "transB": 0, "alpha": 1.0, "beta": 1.0} | conversion.attributes(node)
    if (how["transA"], how["alpha"], how["beta"]) != (0, 1.0, 1.0) or node.input[1] not in conversion.constants:
        raise UnsupportedError(f"{node.name}: a product that is no linear layer")
    dtype = _type(conversion, node)
    weight = conversion.constants[node.input[1]]
    weight = weight if how["transB"] else weight.T
    source = conversion.read(node.input[0], dtype)
    constants = _weights(conversion, node, weight, source, (0, 1), 0)
    name, activation = conversion.result(node)
    known = _known(conversion, name, dtype)
    conversion.add("FULLY_CONNECTED", [source, *constants], name, dtype, known, fusedActivationFunction=activation)


def _weights(
    conversion: Conversion,
    node: onnx.NodeProto,
    weight: NDArray[Any],
    source: Tensor,
    order: tuple[int, ...],
    axis: int,
) -> list[Tensor]:
    """Enters weight (out, ...) and bias of a layer, each output channel's along `axis` of the turned weight."""
    bias = np.zeros(len(weight), np.float32)
    if len(node.input) > 2 and node.input[2]:
        bias = conversion.constants[node.input[2]]
    names = f"{node.name}.weight", f"{node.name}.bias"
    turned = np.ascontiguousarray(weight.transpose(order))
    if source.quantization is None:
        values = turned.astype(np.float32), bias.astype(np.float32)
        return [Tensor(name, data.shape, FLOAT, data=data) for name, data in zip(names, values, strict=True)]
    step = float(source.quantization.scale[0])
    scale = np.maximum(weight_steps(torch.from_numpy(weight.astype(np.float64))).numpy().ravel(), LEAST_WEIGHT_SCALE)
    # A channel of nearly no weight but some bias: a bias in units that small would not fit into int32.
    scale = np.maximum(scale, np.abs(bias) / (GREATEST_BIAS * step)).astype(np.float32)
    along = scale.reshape([-1 if place == axis else 1 for place in range(turned.ndim)])
    units = np.clip(np.rint(turned.astype(np.float64) / along), -GREATEST_WEIGHT, GREATEST_WEIGHT).astype(np.int8)
    bias_scale = (scale * np.float32(step)).astype(np.float32)
    bias_units = np.rint(bias.astype(np.float64) / bias_scale).astype(np.int32)
    return [
        Tensor(names[0], turned.shape, INT8, Quantization(scale, 0, axis), units),
        Tensor(names[1], bias.shape, INT32, Quantization(bias_scale), bias_units),
    ]


# -- windows


def _window(conversion: Conversion, node: onnx.NodeProto, how: dict[str, Any], kernel: Any) -> Window:
    read, made = (conversion.shape(name)[1:3] for name in (node.input[0], node.output[0]))
    ones = (1, 1)
    return window(
        read, made, kernel, how.get("strides", ones), how.get("dilations", ones), how.get("pads", (0, 0, 0, 0))
    )


def _padded(conversion: Conversion, source: Tensor, place: Window, least: bool = False) -> Tensor:
    """Returns a map with zeros around, or with the least there is, which a maximum never takes."""
    if not any(place.pads):
        return source
    top, bottom, left, right = place.pads
    batch, height, width, channels = source.shape
    sides = conversion.integers("pads", [(0, 0), (top, bottom), (left, right), (0, 0)])
    shape = batch, height + top + bottom, width + left + right, channels
    inputs = [source, sides]
    if least:
        value = np.asarray([-UINT8_ZERO if source.dtype == INT8 else FLOAT_LEAST], source.dtype)
        inputs.append(Tensor("least", (1,), source.dtype, source.quantization, value))
    kind = "PADV2" if least else "PAD"
    return conversion.made(kind, inputs, f"{source.name}.padded", shape, source.dtype, source.quantization)


@emits("MaxPool", "AveragePool")
def _pool(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, how = _type(conversion, node), conversion.attributes(node)
    source = conversion.read(node.input[0], dtype)
    place = _window(conversion, node, how, how["kernel_shape"])
    greatest = node.op_type == "MaxPool"
    if place.dilations != (1, 1):
        raise UnsupportedError(f"{node.name}: pooling with dilations {place.dilations}")
    padded = any(how.get("pads", ())) or any(place.pads)
    counted = greatest or bool(how.get("count_include_pad", 0)) or not padded
    if counted and not greatest and place.padding == SAME:  # LiteRT's own does not count them
        place = _explicit(source, conversion.shape(node.output[0]), place, how)
    inner = _padded(conversion, source, place, least=greatest)
    options = {
        **{"padding": place.padding, "strideH": place.strides[0], "strideW": place.strides[1]},
        **{"filterHeight": place.kernel[0], "filterWidth": place.kernel[1], "fusedActivationFunction": NONE},
    }
    name, kind = node.output[0], "MAX_POOL_2D" if greatest else "AVERAGE_POOL_2D"
    if counted or place.padding == SAME:
        conversion.add(kind, [inner], name, dtype, source.quantization, **options)
        return
    # Zeros that must not count were counted: each place is put right by what share of its window was none.
    shape = conversion.shape(name)
    pooled = conversion.made(kind, [inner], f"{name}.counted", shape, dtype, source.quantization, **options)
    weights = conversion.constant(f"{name}.weights", _shares(source.shape, shape, place), dtype)
    known = _known(conversion, name, dtype)
    conversion.add("MUL", [pooled, weights], name, dtype, known, fusedActivationFunction=NONE)


def _explicit(source: Tensor, made: tuple[int, ...], place: Window, how: dict[str, Any]) -> Window:
    """Returns the window with the zeros put around that "same" stood for."""
    begins = how["pads"][:2]
    ends = [
        (made[side + 1] - 1) * place.strides[side] + place.kernel[side] - source.shape[side + 1] - begins[side]
        for side in (0, 1)
    ]
    return place._replace(padding=VALID, pads=(begins[0], max(ends[0], 0), begins[1], max(ends[1], 0)))


def _shares(read: tuple[int, ...], made: tuple[int, ...], place: Window) -> NDArray[np.float32]:
    """Returns, (1, 1, rows, columns), the size of the window over how much of it lies on the map."""
    covered = []
    for side, (begin, size) in enumerate(((place.pads[0], read[1]), (place.pads[2], read[2]))):
        starts = np.arange(made[side + 1]) * place.strides[side] - begin
        covered.append(np.minimum(starts + place.kernel[side], size) - np.maximum(starts, 0))
    counts = covered[0][:, None] * covered[1][None, :]
    shares: NDArray[np.float32] = (place.kernel[0] * place.kernel[1] / counts).astype(np.float32)
    return shares[None, None]


@emits("GlobalMaxPool")
def _global_max(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], _type(conversion, node))
    options = {"padding": VALID, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}
    sizes = {"filterHeight": source.shape[1], "filterWidth": source.shape[2]}
    conversion.add("MAX_POOL_2D", [source], node.output[0], source.dtype, source.quantization, **options, **sizes)


@emits("GlobalAveragePool")
def _global_average(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = _type(conversion, node), node.output[0]
    inputs = [conversion.read(node.input[0], dtype), conversion.integers("rows_and_columns", [1, 2])]
    conversion.add("MEAN", inputs, name, dtype, _known(conversion, name, dtype), keepDims=True)


# -- element by element


@emits("Add", "Sub", "Mul")
def _two(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype = _type(conversion, node)
    inputs = [conversion.read(name, dtype) for name in node.input]
    name, activation = conversion.result(node)
    known = _known(conversion, name, dtype)
    conversion.add(node.op_type.upper(), inputs, name, dtype, known, fusedActivationFunction=activation)


@emits("Relu", "Clip", "HardSwish", "Gelu")
def _one(conversion: Conversion, node: onnx.NodeProto) -> None:
    if node.op_type == "Clip" and conversion.activation(node) is None:
        raise UnsupportedError(f"{node.name}: a clip other than from 0 to 6")
    kind = {"Relu": "RELU", "Clip": "RELU6", "HardSwish": "HARD_SWISH", "Gelu": "GELU"}[node.op_type]
    options = {}
    if kind == "GELU":
        options["approximate"] = conversion.attributes(node).get("approximate", b"none") == b"tanh"
    dtype, name = _type(conversion, node), node.output[0]
    source = conversion.read(node.input[0], dtype)
    conversion.add(kind, [source], name, dtype, _known(conversion, name, dtype), **options)


@emits("Sigmoid")
def _sigmoid(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype = _type(conversion, node)
    source = conversion.read(node.input[0], dtype)
    conversion.add("LOGISTIC", [source], node.output[0], dtype, LOGISTIC if dtype == INT8 else None)


@emits("HardSigmoid")
def _hard_sigmoid(conversion: Conversion, node: onnx.NodeProto) -> None:
    """As relu6(x + 3) / 6, which it is."""
    how = {"alpha": 0.2, "beta": 0.5} | conversion.attributes(node)
    if not np.allclose((how["alpha"], how["beta"]), (1 / 6, 0.5)):
        raise UnsupportedError(f"{node.name}: hard sigmoid of slope {how['alpha']:g}")
    dtype, name = _type(conversion, node), node.output[0]
    known = Quantization(np.asarray([6 / 255], np.float32), -UINT8_ZERO) if dtype == INT8 else None
    unit = Quantization(np.asarray([1 / 255], np.float32), -UINT8_ZERO) if dtype == INT8 else None
    shift, share = (conversion.constant(f"{name}.{value:g}", np.asarray(value), dtype) for value in (3.0, 1 / 6))
    source = conversion.read(node.input[0], dtype)
    shape = conversion.shape(name)
    moved = conversion.made("ADD", [source, shift], f"{name}.six", shape, dtype, known, fusedActivationFunction=RELU6)
    conversion.add("MUL", [moved, share], name, dtype, unit, fusedActivationFunction=NONE)


# -- places


@emits("Concat")
def _concat(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = _type(conversion, node), node.output[0]
    known = _known(conversion, name, dtype)
    parts = [conversion.read(part, dtype) for part in node.input]
    if known is not None:
        parts = [conversion.requantized(part, known) for part in parts]
    axis = _axis(conversion, name, conversion.attributes(node)["axis"])
    conversion.add("CONCATENATION", parts, name, dtype, known, axis=axis, fusedActivationFunction=NONE)


@emits("Flatten", "Reshape")
def _flatten(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = _type(conversion, node), node.output[0]
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
    source, name = conversion.read(node.input[0], _type(conversion, node)), node.output[0]
    inputs = [source, conversion.integers("shape", conversion.shape(name))]
    conversion.add("BROADCAST_TO", inputs, name, source.dtype, source.quantization)


@emits("Pad")
def _pad(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], _type(conversion, node))
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
    source = conversion.read(node.input[0], _type(conversion, node))
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
    source = conversion.read(node.input[0], _type(conversion, node))
    axis = _axis(conversion, node.input[0], conversion.attributes(node).get("axis", 0))
    inputs = [source, conversion.integers("order", conversion.whole_numbers(node.input[1]))]
    conversion.add("GATHER", inputs, node.output[0], source.dtype, source.quantization, axis=axis)


def _axis(conversion: Conversion, name: str, axis: int) -> int:
    """Returns where an axis of an activation lies in LiteRT."""
    rank = len(conversion.shapes[name])
    return TO_FIRST[axis % 4] if rank == 4 else axis % rank
