"""Depthwise and separable convolutions: each channel filtered by itself, mixed by 1x1 convolutions."""

from __future__ import annotations

from torch import nn

from nastk.ops.conv import batch_norm, conv_bn, convolution, depthwise
from nastk.ops.op import op


def _once(channels_in: int, channels_out: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    return [
        nn.ReLU(),
        depthwise(channels_in, kernel, stride, dilation),
        convolution(channels_in, channels_out, 1),
        batch_norm(channels_out),
    ]


@op("sep_conv_3x3", kernel=3)
@op("sep_conv_5x5", kernel=5)
@op("sep_conv_7x7", kernel=7)
def separable(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """Separable convolution, applied twice (only the first is strided), as in NASNet.

    Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018.
    """
    first = _once(channels_in, channels_out, kernel, stride)
    return nn.Sequential(*first, *_once(channels_out, channels_out, kernel, 1))


@op("dil_sep_conv_3x3", kernel=3)
@op("dil_sep_conv_5x5", kernel=5)
def dilated_separable(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """Separable convolution of dilation 2, applied once, as in DARTS (where it is called dil_conv).

    Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
    """
    return nn.Sequential(*_once(channels_in, channels_out, kernel, stride, dilation=2))


@op("dw_conv_3x3", kernel=3)
@op("dw_conv_5x5", kernel=5)
def depthwise_only(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """Depthwise convolution without mixing of channels; a 1x1 convolution follows only where their number differs."""
    layers: list[nn.Module] = [nn.ReLU(), depthwise(channels_in, kernel, stride), batch_norm(channels_in)]
    if channels_in != channels_out:
        layers += conv_bn(channels_in, channels_out)
    return nn.Sequential(*layers)
