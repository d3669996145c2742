"""Numbers behind the curves: the best so far, and what the same candidates would give in random order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def best_so_far(values: Sequence[float]) -> Floats:
    """Returns the running maximum, shape (n,)."""
    return np.maximum.accumulate(np.asarray(values, dtype=np.float64))


def random_order(values: Sequence[float]) -> Floats:
    """Returns the expected maximum of 1, 2, ... n of the values drawn at random without replacement, shape (n,).

    A best so far below this line means that the later candidates were better than the early ones, as when a controller
    learns; along it, that their order made no difference, as in random search. Of N values
    the k-th smallest is the greatest of n with probability C(k-1, n-1) / C(N, n).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    total = len(ordered)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    expected = np.empty(total)
    for drawn in range(1, total + 1):
        rank = np.arange(drawn, total + 1)
        ways = log_factorial[rank - 1] - log_factorial[drawn - 1] - log_factorial[rank - drawn]
        every = log_factorial[total] - log_factorial[drawn] - log_factorial[total - drawn]
        expected[drawn - 1] = np.exp(ways - every) @ ordered[rank - 1]
    return expected


def window(values: Sequence[float]) -> tuple[float, float]:
    """Returns the range of an axis that shows almost all values well: a few far below the rest do not stretch it."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, middle, high = np.quantile(ordered, [0.25, 0.5, 0.75])
    bottom = max(float(ordered[0]), float(middle - 4 * max(high - low, 0.0025)))
    top = float(ordered[-1])
    margin = max((top - bottom) * 0.06, 0.0005)
    return bottom - margin, top + margin
