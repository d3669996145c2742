"""The confidence interval of a share that was counted on so many cases."""

from __future__ import annotations

import math


def wilson(share: float, count: int) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a share of `count` trials (Wilson 1927, score interval)."""
    z = 1.959963984540054
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)
