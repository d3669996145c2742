"""Inverted residuals: narrow outside, wide inside, a shortcut between the narrow ends."""

from __future__ import annotations

from typing import Any

from torch import nn

from nastk.blocks.attention import squeezed
from nastk.blocks.layers import conv_norm_act
from nastk.blocks.register import block
from nastk.blocks.shortcut import with_shortcut
from nastk.genotype.scaling import divisible


def widened(channels: int, expansion: float) -> int:
    """Returns the channels inside a block: a multiple of eight, but those that come in for an expansion of 1."""
    return channels if expansion == 1 else divisible(channels * expansion)


@block("inverted_residual")
def inverted_residual(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    kernel: int,
    expansion: float,
    act: str,
    **squeeze: Any,
) -> nn.Module:
    """1x1 to `expansion` times the channels (none for 1), depthwise, squeeze-and-excitation, 1x1 without activation.

    MobileNetV2 (Sandler et al., CVPR 2018), MnasNet (Tan et al., CVPR 2019), MobileNetV3 (Howard et al., ICCV 2019) and
    EfficientNet (Tan, Le, ICML 2019) are made of it. Channels inside are multiples of eight.
    """
    hidden = widened(channels_in, expansion)
    layers = [
        *(conv_norm_act(channels_in, hidden, 1, 1, act) if expansion != 1 else []),
        *conv_norm_act(hidden, hidden, kernel, stride, act, hidden),
        *squeezed(hidden, channels_in, **squeeze),
        *conv_norm_act(hidden, channels_out, 1, 1, "none"),
    ]
    return with_shortcut(layers, stride == 1 and channels_in == channels_out, drop)


@block("fused_inverted_residual")
def fused_inverted_residual(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    kernel: int,
    expansion: float,
    act: str,
    **squeeze: Any,
) -> nn.Module:
    """A full convolution to `expansion` times the channels, squeeze-and-excitation, 1x1 without activation.

    For an expansion of 1 a convolution with activation, and no 1x1. Tan, Le, "EfficientNetV2: Smaller Models and Faster
    Training", ICML 2021.
    """
    hidden = widened(channels_in, expansion) if expansion != 1 else channels_out
    layers = [
        *conv_norm_act(channels_in, hidden, kernel, stride, act),
        *squeezed(hidden, channels_in, **squeeze),
        *(conv_norm_act(hidden, channels_out, 1, 1, "none") if expansion != 1 else []),
    ]
    return with_shortcut(layers, stride == 1 and channels_in == channels_out, drop)
