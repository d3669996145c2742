"""From what the network says to boxes with class and score."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nastk.dense.ssd.offsets import decoded
from nastk.dense.ssd.suppression import unsuppressed

# Those of section 3: kept are at most 200 an image, scored at least 0.01, of a class overlapping by at most 0.45.
LEAST_SCORE = 0.01
MOST_OVERLAP = 0.45
MOST = 200
CANDIDATES = 400  # of a class, the best of them, as in the authors' code


class Detections(NamedTuple):
    """What is found in an image, the most certain first.

    Attributes:
        boxes: (k, 4) of x0, y0, x1, y1 in pixels, within the image.
        scores: (k,), 0 to 1.
        labels: int64 (k,), 0 the first class.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def detections(logits: Tensor, offsets: Tensor, defaults: Tensor, height: int, width: int) -> Detections:
    """Returns what is found in one image.

    Args:
        logits: (d, classes + 1), the background first.
        offsets: (d, 4).
        defaults: (d, 4) of centre x, centre y, width, height.
        height, width: of the image, pixels.
    """
    limits = torch.tensor([width, height, width, height], device=offsets.device)
    boxes = torch.minimum(decoded(offsets, defaults).clamp(min=0), limits)
    by_class = logits.softmax(-1)[:, 1:].t()
    most = int((by_class >= LEAST_SCORE).sum(1).max())
    scores, places = by_class.sort(dim=1, descending=True, stable=True)
    scores, places = (one[:, : min(most, CANDIDATES)] for one in (scores, places))
    candidates = boxes[places]
    kept = unsuppressed(candidates, MOST_OVERLAP) & (scores >= LEAST_SCORE)
    labels, _ = kept.nonzero(as_tuple=True)
    order = scores[kept].argsort(descending=True, stable=True)[:MOST]
    return Detections(candidates[kept][order], scores[kept][order], labels[order])
