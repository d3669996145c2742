"""Numbers behind the curves: the best so far, and what the same candidates would give in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
QUANTILES, ROUNDING = (0.05, 0.95), 1e-9


def best_so_far(values: Sequence[float]) -> Floats:
    """Returns the running maximum, shape (n,)."""
    return np.maximum.accumulate(np.asarray(values, dtype=np.float64))


class RandomOrder(NamedTuple):
    """The best of 1, 2, ... n of some values that are drawn at random without replacement, each of shape (n,).

    Attributes:
        expected: its mean.
        low: its 5 % quantile.
        high: its 95 % quantile.
    """

    expected: Floats
    low: Floats
    high: Floats


def random_order(values: Sequence[float]) -> RandomOrder:
    """Returns what the best so far would be, had the same values come in random order.

    A best so far below that means that the later candidates were better than the early ones, as when a controller
    learns; along it, that their order made no difference, as in random search.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    rows = []
    for drawn, chances in enumerate(_chances_of_ranks(len(ordered)), start=1):
        possible = ordered[drawn - 1 :]
        upto = np.cumsum(chances)
        low, high = (
            possible[min(int(np.searchsorted(upto, share - ROUNDING)), len(possible) - 1)] for share in QUANTILES
        )
        rows.append((chances @ possible, low, high))
    return RandomOrder(*np.array(rows).T)


def _chances_of_ranks(total: int) -> Iterator[Floats]:
    """Yields, for n = 1, 2, ..., how likely the n-th to the last smallest value is the greatest of n.

    Of N values the k-th smallest is the greatest of n with probability C(k-1, n-1) / C(N, n).
    """
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    for drawn in range(1, total + 1):
        rank = np.arange(drawn, total + 1)
        ways = log_factorial[rank - 1] - log_factorial[drawn - 1] - log_factorial[rank - drawn]
        every = log_factorial[total] - log_factorial[drawn] - log_factorial[total - drawn]
        yield np.exp(ways - every)


def window(values: Sequence[float]) -> tuple[float, float]:
    """Returns the range of an axis that shows almost all values well: a few far below the rest do not stretch it."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, middle, high = np.quantile(ordered, [0.25, 0.5, 0.75])
    bottom = max(float(ordered[0]), float(middle - 4 * max(high - low, 0.0025)))
    top = float(ordered[-1])
    margin = max((top - bottom) * 0.06, 0.0005)
    return bottom - margin, top + margin
