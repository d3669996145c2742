"""Numbers that describe networks to a model: asked for once each, brought to one scale, and a trend over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.controllers.history import Choices, Key, key

Encode = Callable[[Choices], Any]
Numbers = NDArray[np.float64]

FURTHEST = 4.0  # standard deviations: a network that is described as further off counts as so far
RIDGE = 2.0  # how many observations the trend's being flat weighs


class Described:
    """Numbers that a hook gives for choices, each asked for once."""

    def __init__(self, hook: Encode | None) -> None:
        self._hook = hook
        self._known: dict[Key, Numbers] = {}

    @property
    def hooked(self) -> bool:
        """Whether there is a hook at all."""
        return self._hook is not None

    def rows(self, rows: Sequence[Choices]) -> Numbers:
        """Returns the numbers of every row, (n, f), as the hook gives them; f is 0 without a hook."""
        return np.zeros((len(rows), 0)) if self._hook is None else np.stack([self.row(row) for row in rows])

    def row(self, row: Choices) -> Numbers:
        """Returns the numbers of one row, (f,)."""
        at = key(row)
        if at not in self._known:
            numbers = np.zeros(0) if self._hook is None else np.asarray(self._hook(row), dtype=np.float64).ravel()
            self._known[at] = numbers
        return self._known[at]


def finite(numbers: Numbers) -> Numbers:
    """Returns numbers with 0 for those that are not finite: one must not drown all others."""
    return np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)


def standardised(numbers: Numbers, seen: int) -> Numbers:
    """Returns scores (n, f), the first `seen` rows of mean 0 and deviation 1 in each column, none beyond `FURTHEST`.

    A degenerate network may score infinitely badly; it counts as the worst that was seen.
    """
    known = np.isfinite(numbers)
    least = np.where(known[:seen], numbers[:seen], np.inf).min(0)
    filled = np.where(known, numbers, np.where(np.isfinite(least), least, 0.0))
    scaled: Numbers = (filled - filled[:seen].mean(0)) / (filled[:seen].std(0) + 1e-9)
    return scaled.clip(-FURTHEST, FURTHEST)


def trend(numbers: Numbers, targets: Numbers) -> Numbers:
    """Returns what a plane through the targets says of every row: ridge regression, Hoerl and Kennard 1970.

    Args:
        numbers: (n, f), standardised.
        targets: (m,) of the first m rows.
    """
    seen = numbers[: len(targets)]
    slopes = np.linalg.solve(seen.T @ seen + RIDGE * np.eye(numbers.shape[1]), seen.T @ (targets - targets.mean()))
    return np.asarray(targets.mean() + numbers @ slopes)
