"""Inception: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, each convolution with batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nastk.blocks.layers import conv_norm_act
from nastk.blocks.register import Built, Row, whole_stage


class Branches(nn.Module):
    """Branches side by side, their results concatenated.

    Shapes: (N, channels_in, H, W) to (N, the sum of the branches' channels, H', W').
    """

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


@whole_stage("inception")
def inception(row: Row, *, branches: tuple[int, ...], large_kernel: int, act: str) -> Built:
    """As many equal blocks as the stage is deep; what strides is the last window of each branch of the first."""
    point, before_three, three, before_large, large, pooled = branches
    width = point + three + large + pooled
    blocks: list[nn.Module] = []
    for index in range(row.depth):
        channels, stride = (width, 1) if index else (row.channels_in, row.stride)
        sides: list[list[nn.Module]] = [conv_norm_act(channels, point, 1, stride, act)]
        for before, after, kernel in ((before_three, three, 3), (before_large, large, large_kernel)):
            reduced = conv_norm_act(channels, before, act=act)
            sides.append([*reduced, *conv_norm_act(before, after, kernel, stride, act)])
        sides.append([nn.MaxPool2d(3, stride, 1), *conv_norm_act(channels, pooled, act=act)])
        blocks.append(Branches([nn.Sequential(*side) for side in sides]))
    return Built(blocks[0] if len(blocks) == 1 else nn.Sequential(*blocks), width)
