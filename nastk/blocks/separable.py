"""Depthwise separable convolution: Howard et al., "MobileNets: Efficient Convolutional Neural Networks", 2017."""

from __future__ import annotations

from typing import Any

from torch import nn

from nastk.blocks.attention import squeezed
from nastk.blocks.layers import conv_norm_act
from nastk.blocks.register import block


@block("depthwise_separable")
def depthwise_separable(
    channels_in: int, channels_out: int, stride: int, drop: float, *, kernel: int, act: str, **squeeze: Any
) -> nn.Module:
    """A depthwise and a 1x1 convolution, each with normalisation and activation, squeeze-and-excitation between.

    With squeeze-and-excitation and larger kernels in late stages it is PP-LCNet's (Cui et al., arXiv 2109.15099).
    """
    return nn.Sequential(
        *conv_norm_act(channels_in, channels_in, kernel, stride, act, channels_in),
        *squeezed(channels_in, channels_in, **squeeze),
        *conv_norm_act(channels_in, channels_out, 1, 1, act),
    )
