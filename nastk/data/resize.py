"""Bringing images of any size and shape to squares of one size, the same way wherever they come from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nastk.data.decode import central_square

CHUNK = 256
# What a record says of it, for whoever prepares images for a deployed network.
RESIZING = "central square, then bilinear with antialiasing"


def resized(images: Tensor, size: int) -> Tensor:
    """Scales the shorter side to `size` and keeps the central square.

    Cut first and scaled then, which is the same but for half a pixel where the longer side is odd. Bilinear, with the
    filter as wide as the reduction (antialiasing), as Pillow's `Image.resize` has it.

    Args:
        images: uint8 (n, channels, height, width).
        size: pixels a side.

    Returns:
        uint8 (n, channels, size, size).
    """
    top, left, side = central_square(*images.shape[2:])
    squares = images[:, :, top : top + side, left : left + side]
    if side == size:
        return squares.contiguous()
    made = torch.empty((*images.shape[:2], size, size), dtype=torch.uint8)
    for start in range(0, len(images), CHUNK):
        part = squares[start : start + CHUNK].float()  # torch 2.13's uint8 kernel fails on one pixel of three channels
        scaled = interpolate(part, (size, size), mode="bilinear", antialias=True)
        made[start : start + CHUNK] = scaled.round_().clamp_(0, 255).to(torch.uint8)
    return made
