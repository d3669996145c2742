"""Whether an accuracy is better than guessing could be, given how many images it was counted on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

# How often a search of networks that have learnt nothing may be called better than chance.
ERROR = 0.05


def best_guess(per_class: Sequence[int], candidates: int) -> float:
    """Returns the accuracy that the best of some networks that only guess stays below, but for once in twenty.

    The best guess is always the most frequent class. The best of several is above the mean of one by chance, the more
    so the fewer images there are: the normal bound of a share, for the best of so many.

    Args:
        per_class: how many images of each class the accuracy is counted on.
        candidates: of which the best is looked at.
    """
    images = sum(per_class)
    share = max(per_class) / images
    deviation = math.sqrt(share * (1 - share) / images)
    return min(share + NormalDist().inv_cdf(1 - ERROR / max(candidates, 1)) * deviation, 1.0)
