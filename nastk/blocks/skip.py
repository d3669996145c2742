"""A stage that does nothing but fit sizes."""

from __future__ import annotations

from torch import nn

from nastk.blocks.layers import conv_norm_act
from nastk.blocks.register import block


@block("skip")
def skip(channels_in: int, channels_out: int, stride: int, drop: float) -> nn.Module:
    """Identity, or a 1x1 convolution with normalisation where channels or pixels change."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_norm_act(channels_in, channels_out, 1, stride, "none"))
