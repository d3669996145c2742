"""How each torch module, function and method is written as ONNX nodes, in eval mode: one short function each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.onnx.absorbed import Crop, grown
from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, array, emits, pair, window


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the per-channel factor and offset that a batch normalisation applies in eval mode."""
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError("batch normalisation without running statistics")
    scale = 1.0 / np.sqrt(array(norm.running_var) + norm.eps)
    if norm.weight is not None:
        scale = scale * array(norm.weight)
    shift = -array(norm.running_mean) * scale
    return scale, shift if norm.bias is None else shift + array(norm.bias)


def convolution(
    call: Call,
    x: Value,
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d | None,
    padded: Sequence[int] = (0, 0, 0, 0),
    cropped: Crop = (0, 0),
) -> Value:
    """Writes a convolution, with the batch normalisation that alone reads it folded into weight and bias.

    Args:
        call: of the convolution.
        x: what it reads.
        conv: the convolution.
        norm: the batch normalisation, if there is one.
        padded: zeros to add around `x` beside the convolution's own: left, right, top, bottom, as torch lists them.
        cropped: rows and columns of `x` that the convolution does not see, at its beginning, where nothing is padded.
    """
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise UnsupportedError(f"convolution with padding {conv.padding!r}, {conv.padding_mode}")
    weight = array(grown(conv.weight, cropped))
    bias = None if conv.bias is None else array(conv.bias)
    if norm is not None:
        scale, shift = scale_and_shift(norm)
        weight = weight * scale[:, None, None, None]
        bias = shift if bias is None else shift + bias * scale
    constants = [call.floats(weight, "weight")]
    if bias is not None:
        constants.append(call.floats(bias, "bias"))
    attributes = window(weight.shape[2:], conv.stride, conv.padding)
    left, right, top, bottom = padded
    attributes["pads"] = [own + more for own, more in zip(attributes["pads"], (top, left, bottom, right), strict=True)]
    return call.node("Conv", x, *constants, **attributes, dilations=[*pair(conv.dilation)], group=conv.groups)


@emits(nn.Conv2d)
def _conv(call: Call, x: Value) -> Value:
    return convolution(call, x, call.module, None)


@emits(nn.BatchNorm2d)
def _batch_norm(call: Call, x: Value) -> Value:
    # As a depthwise 1x1 convolution it stays in ONNX Runtime's blocked layout and in int8; BatchNormalization does not.
    scale, shift = scale_and_shift(call.module)
    constants = call.floats(scale[:, None, None, None], "weight"), call.floats(shift, "bias")
    return call.node("Conv", x, *constants, kernel_shape=[1, 1], group=len(scale))


@emits(nn.Linear)
def _linear(call: Call, x: Value) -> Value:
    if x.rank != 2:
        raise UnsupportedError("linear layer on a tensor that is not (N, features)")
    constants = [call.floats(array(call.module.weight), "weight")]
    if call.module.bias is not None:
        constants.append(call.floats(array(call.module.bias), "bias"))
    return call.node("Gemm", x, *constants, transB=1)


@emits(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "contiguous", "clone", "detach")
def _same(call: Call, x: Value) -> Value:
    return x


@emits(F.dropout, F.dropout2d)
def _dropout(call: Call, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    if training:
        raise UnsupportedError("dropout in training mode")
    return input


@emits(nn.ReLU, F.relu, torch.relu, "relu", "relu_")
def _relu(call: Call, input: Value, inplace: bool = False) -> Value:
    return call.node("Relu", input)


@emits(nn.Sigmoid, F.sigmoid, torch.sigmoid, "sigmoid")
def _sigmoid(call: Call, input: Value) -> Value:
    return call.node("Sigmoid", input)


@emits(nn.Hardsigmoid, F.hardsigmoid)
def _hard_sigmoid(call: Call, input: Value, inplace: bool = False) -> Value:
    return call.node("HardSigmoid", input, alpha=1.0 / 6.0, beta=0.5)


@emits(nn.Hardswish, F.hardswish)
def _hard_swish(call: Call, input: Value, inplace: bool = False) -> Value:
    return call.node("HardSwish", input)


@emits(nn.SiLU, F.silu)
def _silu(call: Call, input: Value, inplace: bool = False) -> Value:
    return call.node("Mul", input, call.node("Sigmoid", input))


@emits(nn.Flatten)
def _flatten_module(call: Call, x: Value) -> Value:
    return _flatten(call, x, call.module.start_dim, call.module.end_dim)


@emits(torch.flatten, "flatten")
def _flatten(call: Call, input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    if start_dim == 2 and input.rank == 4 and end_dim in (-1, 3):
        return call.node("Reshape", input, call.integers([0, 0, -1], "shape"), rank=3)
    if start_dim != 1 or end_dim not in (-1, input.rank - 1):
        raise UnsupportedError(f"flatten from {start_dim} to {end_dim}")
    return call.node("Flatten", input, rank=2, axis=1)


@emits(torch.unflatten, "unflatten")
def _unflatten(call: Call, input: Value, dim: int, sizes: Sequence[int]) -> Value:
    if input.rank != 2 or dim not in (1, -1) or not all(isinstance(size, int) for size in sizes):
        raise UnsupportedError(f"unflatten dimension {dim} to {sizes!r}")
    return call.node("Reshape", input, call.integers([0, *sizes], "shape"), rank=1 + len(sizes))


def _operand(call: Call, value: Any) -> Value:
    if isinstance(value, Value):
        return value
    if isinstance(value, torch.Tensor):
        return Value(call.floats(array(value), "constant"), value.ndim)
    if isinstance(value, (int, float)):
        return Value(call.floats(value, "scalar"), 0)
    raise UnsupportedError(f"{call.name}: operand of type {type(value).__name__}")


def _elementwise(op: str) -> Callable[[Call, Any, Any], Value]:
    def emitter(call: Call, input: Any, other: Any) -> Value:
        operands = _operand(call, input), _operand(call, other)
        return call.node(op, *operands, rank=max(operand.rank for operand in operands))

    return emitter


@emits(operator.add, operator.iadd, torch.add, "add", "add_")
def _add(call: Call, input: Any, other: Any) -> Value:
    # Python's sum() begins with 0.
    if isinstance(other, Value) and isinstance(input, int) and input == 0:
        return other
    return _elementwise("Add")(call, input, other)


emits(operator.sub, torch.sub, "sub")(_elementwise("Sub"))
emits(operator.mul, operator.imul, torch.mul, "mul", "mul_")(_elementwise("Mul"))


@emits(torch.cat, torch.concat)
def _cat(call: Call, tensors: Sequence[Value], dim: int = 0) -> Value:
    if not tensors or not all(isinstance(part, Value) for part in tensors):
        raise UnsupportedError("concatenation of something other than tensors of the graph")
    return tensors[0] if len(tensors) == 1 else call.node("Concat", *tensors, axis=dim % tensors[0].rank)


@emits("expand")
def _expand(call: Call, input: Value, *sizes: int) -> Value:
    if len(sizes) != input.rank or not all(isinstance(size, int) for size in sizes):
        raise UnsupportedError(f"expand to {sizes!r}")
    # torch's -1 keeps a dimension, ONNX's 1 does.
    return call.node("Expand", input, call.integers([max(size, 1) for size in sizes], "shape"))


@emits(nn.ZeroPad2d)
def _zero_pad(call: Call, x: Value) -> Value:
    return _pad(call, x, call.module.padding)


@emits(F.pad)
def _pad(call: Call, input: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    if mode != "constant" or len(pad) % 2 or len(pad) > 2 * input.rank or not all(isinstance(n, int) for n in pad):
        raise UnsupportedError(f"padding {pad!r}, {mode}")
    # torch lists the last dimension first; ONNX lists all beginnings, then all ends.
    untouched = [0] * (input.rank - len(pad) // 2)
    starts, ends = [*untouched, *pad[::2][::-1]], [*untouched, *pad[1::2][::-1]]
    return call.node("Pad", input, call.integers([*starts, *ends], "pads"), call.floats(value or 0.0, "value"))


@emits(operator.getitem)
def _slice(call: Call, input: Value | tuple[Value, ...], index: Any) -> Value:
    if isinstance(input, tuple):
        part: Value = input[index]
        return part
    parts = index if isinstance(index, tuple) else (index,)
    cuts: list[tuple[int, int, int, int]] = []
    for axis, part in enumerate(parts):
        if not isinstance(part, slice) or axis >= input.rank:
            raise UnsupportedError(f"index {index!r}")
        start, stop, step = part.start or 0, part.stop, part.step or 1
        stop = np.iinfo(np.int64).max if stop is None else stop
        if not all(isinstance(bound, int) for bound in (start, stop, step)):
            raise UnsupportedError(f"index {index!r}")
        if part != slice(None):
            cuts.append((start, stop, axis, step))
    if not cuts:
        return input
    return call.node("Slice", input, *(call.integers([cut[column] for cut in cuts], "cut") for column in range(4)))
