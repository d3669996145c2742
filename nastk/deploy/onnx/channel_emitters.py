"""How channels are dealt out, cut apart and put in another order: written as ONNX nodes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch

from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, emits
from nastk.ops.shuffle import ChannelShuffle


@emits(ChannelShuffle)
def _channel_shuffle(call: Call, x: Value) -> Value:
    # One copy of the map in the new order: reshaping, transposing and reshaping back takes longer, and must be told
    # the height and the width. The axis counts from the end, since OpenVINO (2026.4) takes a Gather on axis 1 before a
    # convolution for a reversal of channels, and puts the order into its weights where the inverse belongs.
    shuffle: ChannelShuffle = call.module
    order = torch.arange(shuffle.channels).reshape(shuffle.groups, -1).t().flatten()
    return call.node("Gather", x, call.integers(order.tolist(), "order"), axis=-3)


@emits(torch.split, "split")
def _split(call: Call, tensor: Value, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Value, ...]:
    """Writes one slice a part, so that each part is read, and left out, by itself."""
    sizes = split_size_or_sections
    if isinstance(sizes, int) or not all(isinstance(size, int) for size in sizes):
        raise UnsupportedError(f"split by {sizes!r}, expected the sizes of the parts")
    ends = list(itertools.accumulate(sizes))
    axis = call.integers([dim % tensor.rank], "axis")
    bounds = (
        (call.integers([end - size], "start"), call.integers([end], "end"))
        for size, end in zip(sizes, ends, strict=True)
    )
    return tuple(call.node("Slice", tensor, start, end, axis) for start, end in bounds)


@emits(torch.permute, "permute")
def _permute(call: Call, input: Value, *dims: Any) -> Value:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    if not all(isinstance(axis, int) for axis in order) or len(order) != input.rank:
        raise UnsupportedError(f"permute to {order!r}")
    return call.node("Transpose", input, perm=[int(axis) % input.rank for axis in order])


@emits(torch.chunk, "chunk")
def _chunk(call: Call, input: Value, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    total = call.shape[dim]
    size = -(-total // chunks)
    return _split(call, input, [min(size, total - start) for start in range(0, total, size)], dim)
