"""Boxes written as offsets to default boxes, which is what the network predicts, and read from them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nastk.dense.ssd.boxes import as_centres, as_corners

# What offsets of centre and size are divided by, so that they are of about the same spread: those of the authors' code.
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
# A network that is not trained yet may predict any size; at most a thousand times the default box's.
MOST_GROWTH = math.log(1000)


def encoded(boxes: Tensor, defaults: Tensor) -> Tensor:
    """Returns the offsets of section 2.2: centre in default boxes, size in logarithms, over the variances.

    Args:
        boxes: (..., 4) of x0, y0, x1, y1, none empty.
        defaults: (..., 4) of centre x, centre y, width, height.

    Returns:
        (..., 4).
    """
    centred = as_centres(boxes)
    centre = (centred[..., :2] - defaults[..., :2]) / defaults[..., 2:] / CENTRE_VARIANCE
    size = (centred[..., 2:] / defaults[..., 2:]).log() / SIZE_VARIANCE
    return torch.cat([centre, size], -1)


def decoded(offsets: Tensor, defaults: Tensor) -> Tensor:
    """Returns the boxes (..., 4) of x0, y0, x1, y1 that `encoded` makes such offsets of."""
    centre = offsets[..., :2] * CENTRE_VARIANCE * defaults[..., 2:] + defaults[..., :2]
    size = (offsets[..., 2:] * SIZE_VARIANCE).clamp(max=MOST_GROWTH).exp() * defaults[..., 2:]
    return as_corners(torch.cat([centre, size], -1))
