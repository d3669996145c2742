"""The decoder of a U-Net over a backbone's maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nastk.networks.features import FeatureInfo
from nastk.ops.conv import conv_bn

WIDTH = 16  # channels at the image's own resolution; twice as many at each halving
MOST_WIDTH = 256


class Up(nn.Module):
    """A step of the expanding path: enlarges, lays the backbone's map of that size beside it, two 3x3 convolutions.

    Args:
        channels: of what comes from below.
        beside: channels of the backbone's map, 0 where it has none of that size.
        width: channels that come out.
        size: height and width that come out.
    """

    def __init__(self, channels: int, beside: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.beside = beside
        self.convolutions = nn.Sequential(
            *conv_bn(channels + beside, width, 3), nn.ReLU(), *conv_bn(width, width, 3), nn.ReLU()
        )

    def forward(self, below: Tensor, beside: Tensor | None = None) -> Tensor:
        enlarged = interpolate(below, size=self.size, mode="nearest")
        together = enlarged if beside is None else torch.cat([enlarged, beside], 1)
        result: Tensor = self.convolutions(together)
        return result


class UNetDecoder(nn.Module):
    """The expanding path of Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015, over the maps of any backbone.

    As there, each step doubles the resolution and reads the contracting path's map of that size beside what comes from
    below. Unlike there, convolutions are padded and normalised, maps are enlarged by their nearest pixel instead of a
    transposed convolution, and a step of a size that the backbone has no map of (strides 2 and 1) reads none.

    Args:
        info: the backbone's maps, the largest first.
        classes: logits a pixel.
        height, width: of the image, pixels.

    Shapes: the maps to (N, classes, height, width).
    """

    def __init__(self, info: Sequence[FeatureInfo], classes: int, height: int, width: int) -> None:
        super().__init__()
        channels, stride = info[-1].channels, info[-1].stride // 2
        by_stride = {one.stride: one for one in info}
        steps: list[Up] = []
        while stride >= 1:
            beside = by_stride.get(stride)
            size = (-(-height // stride), -(-width // stride)) if beside is None else (beside.height, beside.width)
            made = min(WIDTH * stride, MOST_WIDTH, channels)
            steps.append(Up(channels, 0 if beside is None else beside.channels, made, size))
            channels, stride = made, stride // 2
        self.steps = nn.ModuleList(steps)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        *others, latest = maps
        for step in self.steps:
            latest = step(latest, others.pop()) if step.beside else step(latest)
        logits: Tensor = self.classify(latest)
        return logits
