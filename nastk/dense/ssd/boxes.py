"""Boxes as corners and as centre and size, and how far two overlap."""

from __future__ import annotations

import torch
from torch import Tensor


def as_corners(boxes: Tensor) -> Tensor:
    """Returns x0, y0, x1, y1 of centre x, centre y, width, height, (..., 4)."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def as_centres(boxes: Tensor) -> Tensor:
    """Returns centre x, centre y, width, height of x0, y0, x1, y1, (..., 4)."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Returns the intersection over union (Jaccard overlap) of each box with each of the others, 0 to 1.

    Args:
        boxes: (..., n, 4) of x0, y0, x1, y1.
        others: (..., m, 4).

    Returns:
        (..., n, m); 0 where both are empty.
    """
    one, other = boxes[..., :, None, :], others[..., None, :, :]
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(of[..., 2:] - of[..., :2]).clamp(min=0).prod(-1) for of in (one, other)]
    union = areas[0] + areas[1] - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)
