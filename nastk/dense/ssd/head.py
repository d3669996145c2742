"""The layers of SSD over a backbone's maps: smaller maps after them, and on each map what is at each default box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nastk.dense.ssd.default_boxes import RATIOS
from nastk.networks.features import FeatureInfo

LEAST_STRIDE = 8  # of the maps that are used; SSD300 begins there
EXTRA = 128  # channels of the maps that are added
EACH = len(RATIOS) + 1  # default boxes at each place


class SsdHead(nn.Module):
    """What is at each default box, and where exactly.

    It reads the maps of stride 8 and more (all, where there is none), and the maps of ever half the size that it makes
    of the last until one pixel is left. With 300x300 pixels and strides 8, 16, 32 these are the paper's: 38, 19, 10, 5,
    3, 1. Of the added layers none has a normalisation, for of one pixel of one image there is nothing to normalise.

    Args:
        info: the backbone's maps, the largest first.
        classes: beside the background.

    Shapes: the maps to logits (N, d, classes + 1), the background first, and offsets (N, d, 4), in the order of
        `default_boxes` with `sizes`.

    Attributes:
        sizes: height and width of each map that is read.
    """

    def __init__(self, info: Sequence[FeatureInfo], classes: int) -> None:
        super().__init__()
        read = [one for one in info if one.stride >= LEAST_STRIDE] or list(info)
        self._skipped = len(info) - len(read)
        channels, self.sizes = [one.channels for one in read], [(one.height, one.width) for one in read]
        extra = []
        while max(self.sizes[-1]) > 1:
            extra.append(smaller(channels[-1], self.sizes[-1]))
            channels.append(EXTRA)
            self.sizes.append((_halved(self.sizes[-1][0]), _halved(self.sizes[-1][1])))
        self.extra = nn.ModuleList(extra)
        self.classify = nn.ModuleList(predictor(width, EACH * (classes + 1)) for width in channels)
        self.locate = nn.ModuleList(predictor(width, EACH * 4) for width in channels)
        self._classes = classes

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        read = list(maps[self._skipped :])
        for layer in self.extra:
            read.append(layer(read[-1]))
        logits, offsets = (
            torch.cat([_rows(layer(one)) for layer, one in zip(layers, read, strict=True)], 1)
            for layers in (self.classify, self.locate)
        )
        return torch.unflatten(logits, 1, (-1, self._classes + 1)), torch.unflatten(offsets, 1, (-1, 4))


def smaller(channels: int, size: tuple[int, int]) -> nn.Sequential:
    """Returns the layers from a map to one of half the size, of three pixels to one of one."""
    padding = (int(size[0] != 3), int(size[1] != 3))
    halve = nn.Conv2d(EXTRA // 2, EXTRA, 3, stride=2, padding=padding)
    return nn.Sequential(nn.Conv2d(channels, EXTRA // 2, 1), nn.ReLU(), halve, nn.ReLU())


def predictor(channels: int, made: int) -> nn.Conv2d:
    """Returns a 3x3 convolution, initialised as in the paper (Glorot and Bengio 2010)."""
    layer = nn.Conv2d(channels, made, 3, padding=1)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _halved(side: int) -> int:
    return 1 if side == 3 else -(-side // 2)


def _rows(map_: Tensor) -> Tensor:
    """Returns (N, height * width * channels), what belongs to a place side by side."""
    return map_.permute(0, 2, 3, 1).flatten(1)
