"""Dual path stages: Chen, Li, Xiao, Jin, Yan, Feng, "Dual Path Networks", NeurIPS 2017.

The state inside a stage is two: a residual path that is added to, as in ResNet, and a dense path that is appended to,
as in DenseNet. A stage is given and gives one map of both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.blocks.layers import activation, conv, in_groups, norm_act_conv
from nastk.blocks.register import Built, Row, whole_stage
from nastk.ops.drop_path import DropPath


class Split(nn.Module):
    """Normalisation, activation, and two 1x1 convolutions of the result: for the residual and for the dense path.

    The published form cuts one convolution's result in two, which is the same function; this leaves no Slice in an
    exported file.

    Shapes: (N, C, H, W) to (N, residual, H', W') and (N, dense, H', W'), H' = ceil(H / stride).
    """

    def __init__(self, channels: int, residual: int, dense: int, stride: int, act: str) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(channels), *activation(act))
        self.residual = conv(channels, residual, 1, stride)
        self.dense = conv(channels, dense, 1, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        activated = self.first(x)
        return self.residual(activated), self.dense(activated)


class DualPathBlock(nn.Module):
    """A bottleneck of both paths that adds to the one and appends to the other.

    Shapes: (N, width, H, W) and (N, C, H, W) to (N, width, H, W) and (N, C + growth, H, W).
    """

    def __init__(self, bottleneck: nn.Module, split: Split, drop: float = 0.0) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        self.split = split
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()

    def forward(self, x: Tensor, residual: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        added, appended = self.split(self.bottleneck(x))
        return residual + self.drop(added), torch.cat((dense, self.drop(appended)), 1)


class DualPathStage(nn.Module):
    """Blocks one after the other, between which the two paths go apart.

    Shapes: (N, channels_in, H, W) to (N, width + (depth + 2) * growth, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, start: Split, blocks: list[DualPathBlock]) -> None:
        super().__init__()
        self.start = start
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        residual, dense = self.start(x)
        for block in self.blocks:
            residual, dense = block(x, residual, dense)
            x = torch.cat((residual, dense), 1)
        return x


@whole_stage("dual_path")
def dual_path(row: Row, *, growth: int, expansion: float, group_width: int, act: str) -> Built:
    """A stage; the first block's shortcut gives the residual path and 2 * growth channels of the dense one."""
    inner, groups = in_groups(row.width / expansion, group_width)
    start = Split(row.channels_in, row.width, 2 * growth, row.stride, act)
    blocks, channels = [], row.channels_in
    for index, drop in enumerate(row.drops):
        bottleneck = nn.Sequential(
            *norm_act_conv(channels, inner, act=act),
            *norm_act_conv(inner, inner, 3, 1 if index else row.stride, act, groups),
        )
        blocks.append(DualPathBlock(bottleneck, Split(inner, row.width, growth, 1, act), drop))
        channels = row.width + (index + 3) * growth
    return Built(DualPathStage(start, blocks), channels)
