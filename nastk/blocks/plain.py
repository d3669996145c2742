"""Plain layers as blocks: what AlexNet and VGG are made of, and the stems of all others."""

from __future__ import annotations

from torch import nn

from nastk.blocks.layers import activation, conv, started_alive
from nastk.blocks.register import Built, Row, block, whole_stage
from nastk.errors import UserError
from nastk.genotype.blocks import SAME


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
    layer = conv(channels_in, channels_out, kernel, stride, groups, dilation, padding, bias)
    if norm:
        return nn.Sequential(layer, nn.BatchNorm2d(channels_out), *activation(act))
    return nn.Sequential(started_alive(layer), *activation(act))


@whole_stage("max_pool")
def max_pool(row: Row, *, kernel: int, padding: int, ceil: bool) -> Built:
    """Max pooling, which keeps the channels.

    Raises:
        UserError: more padding than half the kernel: windows would hold nothing.
    """
    pad = (kernel - 1) // 2 if padding == SAME else padding
    if pad > kernel // 2:
        raise UserError(f"stage 'max_pool': padding={pad}, expected at most half the kernel of {kernel}")
    strides = [row.stride, *[1] * (row.depth - 1)]
    pools = [nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil) for stride in strides]
    return Built(pools[0] if len(pools) == 1 else nn.Sequential(*pools), row.channels_in)


@whole_stage("norm")
def norm(row: Row, *, act: str) -> Built:
    """Batch normalisation and activation, for the end of a body whose blocks begin with them."""
    layers = [layer for _ in range(row.depth) for layer in (nn.BatchNorm2d(row.channels_in), *activation(act))]
    return Built(nn.Sequential(*layers), row.channels_in)
