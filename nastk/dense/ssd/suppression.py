"""Non-maximum suppression: of boxes that overlap, the most certain one is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from nastk.dense.ssd.boxes import iou


def unsuppressed(boxes: Tensor, most: float) -> Tensor:
    """Says which boxes are kept where, from the most certain one on, each removes those after it that overlap it.

    A box is kept if no kept one before it overlaps it. That is solved for all boxes at once, again and again until
    nothing changes: after n rounds the first n are right, and there are as many rounds as the longest chain has links.

    Args:
        boxes: (..., n, 4) of x0, y0, x1, y1, the most certain first.
        most: intersection over union that two kept boxes may have.

    Returns:
        bool (..., n).
    """
    removes = (iou(boxes, boxes) > most).triu(1).float()
    kept = torch.ones(boxes.shape[:-1], dtype=torch.bool, device=boxes.device)
    while True:
        removed_by = kept.float()[..., None, :] @ removes  # so many
        again = removed_by[..., 0, :] == 0
        if torch.equal(again, kept):
            return kept
        kept = again
