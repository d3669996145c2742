"""Xception's blocks: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017."""

from __future__ import annotations

from torch import nn

from nastk.blocks.layers import activation, conv
from nastk.blocks.register import block
from nastk.blocks.residual import Residual, projection


def separable(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Returns a depthwise and a 1x1 convolution, with nothing between, and batch normalisation."""
    depthwise = conv(channels_in, channels_in, kernel, stride, groups=channels_in)
    return [depthwise, conv(channels_in, channels_out), nn.BatchNorm2d(channels_out)]


@block("xception")
def xception(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    layers: int,
    act: str,
    act_first: bool,
    widen_last: bool,
) -> nn.Module:
    """Separable convolutions, max pooling where strided, and a shortcut; nothing after the sum.

    Entry, middle and exit flow are forms of it: two layers with stride 2, three with stride 1, and two with stride 2 of
    which the last changes the channels.
    """
    widens = layers - 1 if widen_last else 0
    branch: list[nn.Module] = []
    for index in range(layers):
        if index or act_first:
            branch += activation(act)
        before = channels_in if index <= widens else channels_out
        branch += separable(before, channels_in if index < widens else channels_out)
    if stride > 1:
        branch.append(nn.MaxPool2d(3, stride, 1))
    return Residual(nn.Sequential(*branch), projection(channels_in, channels_out, stride), nn.Identity(), drop)


@block("xception_separable")
def separable_block(
    channels_in: int, channels_out: int, stride: int, drop: float, *, kernel: int, act: str
) -> nn.Module:
    """A separable convolution, normalised and activated: how the exit flow ends."""
    return nn.Sequential(*separable(channels_in, channels_out, kernel, stride), *activation(act))
