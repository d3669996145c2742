"""How pooling, local and global, is written as ONNX nodes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, emits, pair, window


@emits(nn.AvgPool2d)
def _average_pool_module(call: Call, x: Value) -> Value:
    pool = call.module
    padding = pool.padding, pool.ceil_mode, pool.count_include_pad
    return _average_pool(call, x, pool.kernel_size, pool.stride, *padding, pool.divisor_override)


@emits(F.avg_pool2d)
def _average_pool(
    call: Call,
    input: Value,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    if divisor_override is not None:
        raise UnsupportedError("average pooling with divisor_override")
    attributes = window(kernel_size, stride, padding, ceil_mode)
    # Pixels that ceil_mode adds beyond the edge count in neither; without padding there are no others.
    counted = count_include_pad and not ceil_mode
    return call.node("AveragePool", input, **attributes, count_include_pad=int(counted))


@emits(nn.MaxPool2d)
def _max_pool_module(call: Call, x: Value) -> Value:
    pool = call.module
    dilation = pool.dilation, pool.ceil_mode, pool.return_indices
    return _max_pool(call, x, pool.kernel_size, pool.stride, pool.padding, *dilation)


@emits(F.max_pool2d)
def _max_pool(
    call: Call,
    input: Value,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Value:
    if return_indices:
        raise UnsupportedError("max pooling that returns indices")
    attributes = window(kernel_size, stride, padding, ceil_mode)
    return call.node("MaxPool", input, **attributes, dilations=[*pair(dilation)])


@emits(nn.AdaptiveAvgPool2d)
def _adaptive_pool_module(call: Call, x: Value) -> Value:
    return _adaptive_pool(call, x, call.module.output_size)


@emits(F.adaptive_avg_pool2d)
def _adaptive_pool(call: Call, input: Value, output_size: Any) -> Value:
    if pair(output_size) != (1, 1):
        raise UnsupportedError(f"adaptive pooling to {output_size!r}")
    # Not ReduceMean, which ONNX Runtime's quantizer does not know.
    return call.node("GlobalAveragePool", input)


@emits(nn.AdaptiveMaxPool2d)
def _adaptive_max_pool(call: Call, x: Value) -> Value:
    pool = call.module
    if pool.return_indices or pair(pool.output_size) != (1, 1):
        raise UnsupportedError(f"adaptive max pooling to {pool.output_size!r}, indices {pool.return_indices}")
    return call.node("GlobalMaxPool", x)


@emits(torch.mean, "mean")
def _mean(call: Call, input: Value, dim: Any = None, keepdim: bool = False) -> Value:
    dims = dim if isinstance(dim, (tuple, list)) else ()
    if input.rank != 4 or {axis % 4 for axis in dims} != {2, 3}:
        raise UnsupportedError(f"mean over {dim!r} of {input.rank} dimensions")
    pooled = call.node("GlobalAveragePool", input)
    return pooled if keepdim else call.node("Flatten", pooled, rank=2, axis=1)
