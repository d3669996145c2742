"""Which default box has to find which object."""

from __future__ import annotations

import torch
from torch import Tensor

OVERLAP = 0.5
NONE = -1


def matched(overlaps: Tensor, least: float = OVERLAP) -> Tensor:
    """Returns for each default box its object, by the strategy of section 2.2.

    First each object gets the default box that overlaps it most, the pair that overlaps most first, so that no two get
    the same; then each default box that is left gets the object that it overlaps most, if by more than `least`.

    Args:
        overlaps: (m, d), intersection over union of m objects and d default boxes.
        least: by how much a default box overlaps an object that it is to find.

    Returns:
        int64 (d,): a row of `overlaps`, `NONE` for the background. Of more objects than default boxes some have none.
    """
    objects, count = overlaps.shape
    if not objects:
        return torch.full((count,), NONE, device=overlaps.device)
    best, found = overlaps.max(0)
    found[best <= least] = NONE
    left = overlaps.clone()
    for _ in range(min(objects, count)):
        row, column = divmod(int(left.argmax()), count)
        found[column] = row
        left[row], left[:, column] = -1, -1
    return found
