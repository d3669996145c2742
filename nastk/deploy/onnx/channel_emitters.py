"""How channels are dealt out, cut apart and put in another order: written as ONNX nodes."""

from __future__ import annotations

import torch

from nastk.deploy.onnx.emitting import Call, Value, emits
from nastk.ops.shuffle import ChannelShuffle


@emits(ChannelShuffle)
def _channel_shuffle(call: Call, x: Value) -> Value:
    # One copy of the map in the new order: reshaping, transposing and reshaping back takes longer, and must be told
    # the height and the width.
    shuffle: ChannelShuffle = call.module
    order = torch.arange(shuffle.channels).reshape(shuffle.groups, -1).t().flatten()
    return call.node("Gather", x, call.integers(order.tolist(), "order"), axis=1)
