"""Turning, zooming and recolouring training images: what a camera and a hand do, on a whole batch at once.

Few images show few of the angles, distances and lights that a network will meet. As in Cubuk et al., "RandAugment",
CVPR Workshops 2020 (https://arxiv.org/abs/1909.13719), which draws from such operations, and Chen et al., "SimCLR",
ICML 2020 (https://arxiv.org/abs/2002.05709), for colour. All of it is drawn for an epoch at once, on the CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nastk.checks import check_number

PADDINGS = {"reflect": "reflection", "zero": "zeros"}


@dataclass(frozen=True)
class Warp:
    """How far an image is turned, zoomed and recoloured at most; each image by an amount between, evenly drawn.

    Attributes:
        rotate: degrees to either side.
        zoom: share by which it grows or shrinks: 0.2 is from 1/1.2 to 1.2 times its size.
        colour: share by which contrast and saturation change, and standard deviations by which brightness and, half as
            far, each channel do.
    """

    rotate: float = 0.0
    zoom: float = 0.0
    colour: float = 0.0

    def __post_init__(self) -> None:
        check_number("rotate", self.rotate, 0, 180, kind="degrees")
        check_number("zoom", self.zoom, 0, 1, kind="a share of the image's size")
        check_number("colour", self.colour, 0, 1, kind="a share")

    def __bool__(self) -> bool:
        return bool(self.rotate or self.zoom or self.colour)

    def draw(self, count: int, seed: int) -> Tensor:
        """Draws for `count` images: float (count, 8) within -1 and 1; angle, size, contrast, saturation, channels."""
        generator = torch.Generator().manual_seed(seed)
        return torch.rand((count, 8), generator=generator) * 2 - 1


def warped(batch: Tensor, draws: Tensor, warp: Warp, padding: str) -> Tensor:
    """Turns, zooms and recolours images.

    Args:
        batch: float (n, size, size, channels), normalised.
        draws: float (n, 8), from `Warp.draw`.
        warp: how far.
        padding: "reflect" or "zero", what lies beyond the border.

    Returns:
        float (n, size, size, channels).
    """
    if warp.colour:
        batch = _recoloured(batch, draws[:, 2:] * warp.colour)
    return _turned(batch, draws[:, :2], warp, PADDINGS[padding]) if warp.rotate or warp.zoom else batch


def _turned(batch: Tensor, draws: Tensor, warp: Warp, padding: str) -> Tensor:
    angle = draws[:, 0] * math.radians(warp.rotate)
    scale = torch.exp(-draws[:, 1] * math.log1p(warp.zoom))
    cosine, sine, none = scale * angle.cos(), scale * angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack([cosine, -sine, none, sine, cosine, none], 1).view(-1, 2, 3)
    images = batch.permute(0, 3, 1, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    found = functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return found.permute(0, 2, 3, 1)


def _recoloured(batch: Tensor, draws: Tensor) -> Tensor:
    """Changes contrast about an image's mean, saturation about its grey, brightness, and each channel by itself."""
    contrast, saturation, brightness = (draws[:, place, None, None, None] for place in range(3))
    batch = (batch - (mean := batch.mean((1, 2), keepdim=True))) * (1 + contrast) + mean + brightness
    if batch.shape[3] == 1:
        return batch
    grey = batch.mean(3, keepdim=True)
    return grey + (batch - grey) * (1 + saturation) + 0.5 * draws[:, None, None, 3 : 3 + batch.shape[3]]
