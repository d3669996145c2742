"""Partial convolution: Chen et al., "Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks", CVPR 2023."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.blocks.inverted import widened
from nastk.blocks.layers import conv, conv_norm_act
from nastk.blocks.register import block
from nastk.blocks.shortcut import Shortcut


class PartialConvolution(nn.Module):
    """A convolution of the first channels; the others go past it.

    Shapes: (N, channels, H, W) to the same.

    Args:
        channels: that come in.
        convolved: of them, the first ones.
        kernel: odd side of the kernel.
    """

    def __init__(self, channels: int, convolved: int, kernel: int) -> None:
        super().__init__()
        self.convolved = convolved
        self.past = channels - convolved
        self.conv = conv(convolved, convolved, kernel)

    def forward(self, x: Tensor) -> Tensor:
        if not self.past:
            whole: Tensor = self.conv(x)
            return whole
        return torch.cat((self.conv(x[:, : self.convolved]), x[:, self.convolved :]), 1)


@block("partial_conv")
def partial_conv(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    kernel: int,
    part: float,
    expansion: float,
    act: str,
) -> nn.Module:
    """A convolution of a `part` of the channels, 1x1 to `expansion` times as many and back, and a shortcut: FasterNet.

    Where channels or resolution change, a 3x3 convolution with normalisation stands before; FasterNet's own merging by
    kernels as large as the stride is a stage of `conv`.
    """
    hidden = widened(channels_out, expansion)
    branch = nn.Sequential(
        PartialConvolution(channels_out, max(int(channels_out * part), 1), kernel),
        *conv_norm_act(channels_out, hidden, 1, 1, act),
        conv(hidden, channels_out),
    )
    if stride == 1 and channels_in == channels_out:
        return Shortcut(branch, drop)
    return nn.Sequential(*conv_norm_act(channels_in, channels_out, 3, stride, "none"), Shortcut(branch, drop))
