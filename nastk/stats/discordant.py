"""Whether two classifiers differ on the images that both were asked for."""

from __future__ import annotations

import math


def mcnemar(first_only: int, second_only: int) -> float:
    """Returns the two-sided p of the exact test on the images that one of the two alone has right (McNemar 1947).

    Args:
        first_only: images that the first has right and the second wrong.
        second_only: the other way round.
    """
    count, fewer = first_only + second_only, min(first_only, second_only)
    tail = float(sum(math.comb(count, right) for right in range(fewer + 1)) / 2**count)
    return min(1.0, 2 * tail)
