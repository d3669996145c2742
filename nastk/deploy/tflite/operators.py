"""How each ONNX operator of nastk's graphs is said in LiteRT's: one short function each, here those that compute."""

from __future__ import annotations

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
    UINT8_ZERO,
    Conversion,
)
from nastk.deploy.tflite.emitting import emits, known_range, type_of
from nastk.deploy.tflite.graph import Quantization, Tensor
from nastk.deploy.tflite.window_operators import padded, window_of


@emits("Conv")
def _conv(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, how = type_of(conversion, node), conversion.attributes(node)
    weight = conversion.constants[node.input[1]]
    source = conversion.read(node.input[0], dtype)
    group, channels = int(how.get("group", 1)), source.shape[3]
    place = window_of(conversion, node, how, weight.shape[2:])
    inner = padded(conversion, source, place)
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
    conversion.add(kind, [inner, *constants], name, dtype, known_range(conversion, name, dtype), **options)


@emits("Gemm")
def _gemm(conversion: Conversion, node: onnx.NodeProto) -> None:
    how = {"transA": 0, "transB": 0, "alpha": 1.0, "beta": 1.0} | conversion.attributes(node)
    if (how["transA"], how["alpha"], how["beta"]) != (0, 1.0, 1.0) or node.input[1] not in conversion.constants:
        raise UnsupportedError(f"{node.name}: a product that is no linear layer")
    dtype = type_of(conversion, node)
    weight = conversion.constants[node.input[1]]
    weight = weight if how["transB"] else weight.T
    source = conversion.read(node.input[0], dtype)
    constants = _weights(conversion, node, weight, source, (0, 1), 0)
    name, activation = conversion.result(node)
    known = known_range(conversion, name, dtype)
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


@emits("Add", "Sub", "Mul")
def _two(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype = type_of(conversion, node)
    inputs = [conversion.read(name, dtype) for name in node.input]
    name, activation = conversion.result(node)
    known = known_range(conversion, name, dtype)
    conversion.add(node.op_type.upper(), inputs, name, dtype, known, fusedActivationFunction=activation)


@emits("Relu", "Clip", "HardSwish", "Gelu")
def _one(conversion: Conversion, node: onnx.NodeProto) -> None:
    if node.op_type == "Clip" and conversion.activation(node) is None:
        raise UnsupportedError(f"{node.name}: a clip other than from 0 to 6")
    kind = {"Relu": "RELU", "Clip": "RELU6", "HardSwish": "HARD_SWISH", "Gelu": "GELU"}[node.op_type]
    options = {}
    if kind == "GELU":
        options["approximate"] = conversion.attributes(node).get("approximate", b"none") == b"tanh"
    dtype, name = type_of(conversion, node), node.output[0]
    source, known = conversion.read(node.input[0], dtype), known_range(conversion, name, dtype)
    if kind == "RELU6" and known is not None and not known.same(source.quantization):
        # A microcontroller's only clips, in the steps that it reads.
        clipped = conversion.made(kind, [source], f"{name}.6", source.shape, dtype, source.quantization)
        conversion.add("QUANTIZE", [clipped], name, dtype, known)
        return
    conversion.add(kind, [source], name, dtype, known, **options)


@emits("Sigmoid")
def _sigmoid(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype = type_of(conversion, node)
    source = conversion.read(node.input[0], dtype)
    conversion.add("LOGISTIC", [source], node.output[0], dtype, LOGISTIC if dtype == INT8 else None)


@emits("HardSigmoid")
def _hard_sigmoid(conversion: Conversion, node: onnx.NodeProto) -> None:
    """As relu6(x + 3) / 6, which it is."""
    how = {"alpha": 0.2, "beta": 0.5} | conversion.attributes(node)
    if not np.allclose((how["alpha"], how["beta"]), (1 / 6, 0.5)):
        raise UnsupportedError(f"{node.name}: hard sigmoid of slope {how['alpha']:g}")
    dtype, name = type_of(conversion, node), node.output[0]
    known = Quantization(np.asarray([6 / 255], np.float32), -UINT8_ZERO) if dtype == INT8 else None
    unit = Quantization(np.asarray([1 / 255], np.float32), -UINT8_ZERO) if dtype == INT8 else None
    shift, share = (conversion.constant(f"{name}.{value:g}", np.asarray(value), dtype) for value in (3.0, 1 / 6))
    source = conversion.read(node.input[0], dtype)
    shape = conversion.shape(name)
    moved = conversion.made("ADD", [source, shift], f"{name}.six", shape, dtype, known, fusedActivationFunction=RELU6)
    conversion.add("MUL", [moved, share], name, dtype, unit, fusedActivationFunction=NONE)
