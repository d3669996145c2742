"""The universal inverted bottleneck: Qin et al., "MobileNetV4 - Universal Models for the Mobile Ecosystem", 2024."""

from __future__ import annotations

from torch import nn

from nastk.blocks.inverted import widened
from nastk.blocks.layers import conv_norm_act
from nastk.blocks.register import block
from nastk.blocks.shortcut import with_shortcut


@block("universal_inverted_bottleneck")
def universal_inverted_bottleneck(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    start: int,
    middle: int,
    expansion: float,
    act: str,
) -> nn.Module:
    """An optional depthwise convolution, 1x1 to more channels, an optional depthwise one, 1x1 to fewer.

    Kernels of 0 leave the depthwise convolutions out: neither is a feed-forward block, the first a ConvNext-like one,
    the second an inverted bottleneck, both the extra depthwise one. The stride is on the second where there is one.
    """
    hidden = widened(channels_in, expansion)
    layers: list[nn.Module] = []
    if start:
        layers += conv_norm_act(channels_in, channels_in, start, 1 if middle else stride, "none", channels_in)
    layers += conv_norm_act(channels_in, hidden, 1, 1, act)
    if middle:
        layers += conv_norm_act(hidden, hidden, middle, stride, act, hidden)
    layers += conv_norm_act(hidden, channels_out, 1, 1, "none")
    return with_shortcut(layers, stride == 1 and channels_in == channels_out, drop)
