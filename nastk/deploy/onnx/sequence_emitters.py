"""Layers on (N, C, L), written as those on maps of one row: every runtime, and int8, knows those.

The reshaping between is of the header alone; runtimes copy nothing for it.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from nastk.deploy.onnx.emitters import scale_and_shift
from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, array, emits

AS_MAP, AS_SEQUENCE = (0, 0, 1, -1), (0, 0, -1)


def as_map(call: Call, x: Value) -> Value:
    """Returns (N, C, 1, L) of (N, C, L).

    Raises:
        UnsupportedError: `x` is no sequence.
    """
    if x.rank != 3:
        raise UnsupportedError(f"{call.name}: {x.rank} dimensions, expected (N, C, L)")
    return call.node("Reshape", x, call.integers(AS_MAP, "as_map"), rank=4)


def as_sequence(call: Call, x: Value) -> Value:
    """Returns (N, C, L) of a map (N, C, 1, L)."""
    return call.node("Reshape", x, call.integers(AS_SEQUENCE, "as_sequence"), rank=3)


def _one(size: Any) -> int:
    return int(size[0]) if isinstance(size, (tuple, list)) else int(size)


def _row_window(kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False) -> dict[str, Any]:
    if isinstance(padding, str) or ceil_mode:
        raise UnsupportedError(f"padding {padding!r}, ceil_mode={ceil_mode} of a layer on (N, C, L)")
    width, step, pad = _one(kernel), _one(kernel if stride is None else stride), _one(padding)
    return {"kernel_shape": [1, width], "strides": [1, step], "pads": [0, pad, 0, pad]}


@emits(nn.Conv1d)
def _conv(call: Call, x: Value) -> Value:
    conv = call.module
    if conv.padding_mode != "zeros":
        raise UnsupportedError(f"convolution with padding {conv.padding_mode}")
    attributes = _row_window(conv.kernel_size, conv.stride, conv.padding)
    constants = [call.floats(array(conv.weight)[:, :, None], "weight")]
    if conv.bias is not None:
        constants.append(call.floats(array(conv.bias), "bias"))
    dilations = [1, _one(conv.dilation)]
    made = call.node("Conv", as_map(call, x), *constants, **attributes, dilations=dilations, group=conv.groups)
    return as_sequence(call, made)


@emits(nn.BatchNorm1d)
def _batch_norm(call: Call, x: Value) -> Value:
    scale, shift = scale_and_shift(call.module)
    constants = call.floats(scale[:, None, None, None], "weight"), call.floats(shift, "bias")
    return as_sequence(call, call.node("Conv", as_map(call, x), *constants, kernel_shape=[1, 1], group=len(scale)))


@emits(nn.MaxPool1d)
def _max_pool(call: Call, x: Value) -> Value:
    pool = call.module
    if pool.return_indices:
        raise UnsupportedError("max pooling that returns indices")
    attributes = _row_window(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)
    return as_sequence(call, call.node("MaxPool", as_map(call, x), **attributes, dilations=[1, _one(pool.dilation)]))


@emits(nn.AvgPool1d)
def _average_pool(call: Call, x: Value) -> Value:
    pool = call.module
    attributes = _row_window(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)
    counted = int(pool.count_include_pad)
    return as_sequence(call, call.node("AveragePool", as_map(call, x), **attributes, count_include_pad=counted))


@emits(nn.AdaptiveAvgPool1d)
def _adaptive_pool(call: Call, x: Value) -> Value:
    if _one(call.module.output_size) != 1:
        raise UnsupportedError(f"adaptive pooling to {call.module.output_size!r}")
    return as_sequence(call, call.node("GlobalAveragePool", as_map(call, x)))
