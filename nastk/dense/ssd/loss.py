"""The loss of SSD: how wrong the classes are, and how far off the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from nastk.dense.ssd.boxes import as_corners, iou
from nastk.dense.ssd.matching import NONE, matched
from nastk.dense.ssd.offsets import encoded

BACKGROUND = 0
NEGATIVES = 3  # default boxes of background that count, for each that has an object


def multibox_loss(logits: Tensor, offsets: Tensor, targets: Sequence[Mapping[str, Tensor]], defaults: Tensor) -> Tensor:
    """Returns the loss of section 2.2: cross-entropy plus smooth L1, over the default boxes that have an object.

    Of the background only the boxes count that are most wrong, three in an image for each with an object (hard
    negative mining). 0 where no image has an object.

    Args:
        logits: (n, d, classes + 1), the background first.
        offsets: (n, d, 4), as `encoded` makes them.
        targets: of each image "boxes", (m, 4) of x0, y0, x1, y1, and "labels", (m,), 0 the first class.
        defaults: (d, 4) of centre x, centre y, width, height.
    """
    wanted = [_wanted(target, defaults) for target in targets]
    classes, places = torch.stack([one[0] for one in wanted]), torch.stack([one[1] for one in wanted])
    positive = classes != BACKGROUND
    wrong = cross_entropy(logits.transpose(1, 2), classes, reduction="none")
    counted = positive | hardest(wrong.detach(), positive)
    off = smooth_l1_loss(offsets[positive], places[positive], reduction="sum")
    return ((wrong * counted).sum() + off) / positive.sum().clamp(min=1)


def hardest(wrong: Tensor, positive: Tensor) -> Tensor:
    """Says which default boxes of background count: those with the greatest loss, `NEGATIVES` for each positive one.

    Args:
        wrong: (n, d), the loss of each.
        positive: bool (n, d), which have an object.

    Returns:
        bool (n, d).
    """
    order = wrong.masked_fill(positive, -1).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return (rank < NEGATIVES * positive.sum(1, keepdim=True)) & ~positive


def _wanted(target: Mapping[str, Tensor], defaults: Tensor) -> tuple[Tensor, Tensor]:
    """Returns class and offsets that each default box of an image should have."""
    boxes, labels = target["boxes"], target["labels"]
    objects = matched(iou(boxes, as_corners(defaults)))
    classes, places = torch.full_like(objects, BACKGROUND), torch.zeros_like(defaults)
    found = objects != NONE
    classes[found] = labels[objects[found]] + 1
    places[found] = encoded(boxes[objects[found]], defaults[found])
    return classes, places
