"""Plain layers as blocks: what AlexNet and VGG are made of, and the stems of all others."""

from __future__ import annotations

from torch import nn

from nastk.blocks.layers import SAME, activation, conv
from nastk.blocks.register import Built, Row, block, whole_stage


@block("conv")
def plain(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    kernel: int,
    act: str,
    groups: int,
    dilation: int,
    padding: int,
    norm: bool,
    bias: bool,
) -> nn.Module:
    """Convolution, normalisation, activation."""
    layers: list[nn.Module] = [conv(channels_in, channels_out, kernel, stride, groups, dilation, padding, bias)]
    layers += [nn.BatchNorm2d(channels_out)] if norm else []
    return nn.Sequential(*layers, *activation(act))


@whole_stage("max_pool")
def max_pool(row: Row, *, kernel: int, padding: int, ceil: bool) -> Built:
    """Max pooling, which keeps the channels whatever the stage's width."""
    pad = (kernel - 1) // 2 if padding == SAME else padding
    strides = [row.stride, *[1] * (row.depth - 1)]
    pools = [nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil) for stride in strides]
    return Built(nn.Sequential(*pools), row.channels_in)
