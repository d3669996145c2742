"""Fire modules: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016."""

from __future__ import annotations

from torch import nn

from nastk.blocks.inception import Branches
from nastk.blocks.layers import activation, conv, conv_norm_act, started_alive
from nastk.blocks.register import block
from nastk.errors import UserError


@block("fire")
def fire(
    channels_in: int, channels_out: int, stride: int, drop: float, *, squeeze: int, norm: bool, act: str
) -> nn.Module:
    """A 1x1 convolution to few channels, then half of those that come out by a 1x1 and half by a 3x3 convolution.

    Raises:
        UserError: one channel, which has no halves.
    """
    if channels_out < 2:
        raise UserError(f"stage 'fire': width={channels_out}, expected at least 2, for two halves")

    def layer(channels: int, width: int, kernel: int, stride: int) -> list[nn.Module]:
        if norm:
            return conv_norm_act(channels, width, kernel, stride, act)
        return [started_alive(conv(channels, width, kernel, stride, bias=True)), *activation(act)]

    half = channels_out // 2
    sides = layer(squeeze, half, 1, stride), layer(squeeze, channels_out - half, 3, stride)
    return nn.Sequential(*layer(channels_in, squeeze, 1, 1), Branches([nn.Sequential(*side) for side in sides]))
