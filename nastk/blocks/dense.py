"""Dense stages: Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", CVPR 2017."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.blocks.layers import norm_act_conv
from nastk.blocks.register import Built, Row, block, whole_stage
from nastk.ops.drop_path import DropPath
from nastk.ops.pooling import average_pool


class DenseLayer(nn.Module):
    """Appends `growth` channels, made of all channels so far by a 1x1 and a 3x3 convolution.

    Shapes: (N, C, H, W) to (N, C + growth, H, W).
    """

    def __init__(self, channels: int, growth: int, inner: int, act: str, drop: float = 0.0) -> None:
        super().__init__()
        self.grown = nn.Sequential(*norm_act_conv(channels, inner, act=act), *norm_act_conv(inner, growth, 3, act=act))
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.drop(self.grown(x))), 1)


@whole_stage("dense")
def dense(row: Row, *, growth: int, bottleneck: float, act: str) -> Built:
    """As many layers as the stage is deep; average pooling before them where it strides.

    The channels that come out are those that came in and `growth` for each layer.
    """
    inner = max(round(bottleneck * growth), 1)
    layers: list[nn.Module] = [average_pool(row.stride)] if row.stride > 1 else []
    channels = row.channels_in
    for drop in row.drops:
        layers.append(DenseLayer(channels, growth, inner, act, drop))
        channels += growth
    return Built(nn.Sequential(*layers), channels)


@block("dense_transition")
def transition(channels_in: int, channels_out: int, stride: int, drop: float, *, act: str) -> nn.Module:
    """Normalisation, activation, 1x1 convolution, and average pooling whose kernel is the stride."""
    pool: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
    return nn.Sequential(*norm_act_conv(channels_in, channels_out, act=act), *pool)
