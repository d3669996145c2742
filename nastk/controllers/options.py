"""Options: which ones a parameter has, and which of them a value is, however it is typed, rounded or stored."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from numbers import Real
from typing import Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

MAX_OPTIONS = 1024
PLAIN = (str, int, bool, type(None))  # nearly all there are


def options(distribution: BaseDistribution) -> tuple[Any, ...] | None:
    """Returns the finite options of a parameter, or None where there are none (or more than `MAX_OPTIONS`)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if not isinstance(distribution, IntDistribution | FloatDistribution) or not distribution.step:
        return None
    if isinstance(distribution, IntDistribution):
        whole = range(distribution.low, distribution.high + 1, distribution.step)
        return tuple(whole) if len(whole) <= MAX_OPTIONS else None
    return _grid(float(distribution.low), float(distribution.high), float(distribution.step))


@lru_cache
def _grid(low: float, high: float, step: float) -> tuple[float, ...] | None:
    # In decimal, as Optuna rounds the upper end: in binary 0.1 + 2 * 0.1 is no 0.3, and 3 * 0.1 is above 0.3.
    first, width = Decimal(str(low)), Decimal(str(step))
    last = int((Decimal(str(high)) - first) // width)
    if last >= MAX_OPTIONS:
        return None
    return tuple(float(first + index * width) for index in range(last + 1))


def hashable(option: Any) -> Hashable:
    """Returns what is equal for equal options and can be hashed; a list that a storage made of a tuple equals it."""
    if type(option) in PLAIN:
        return cast(Hashable, option)
    if isinstance(option, Mapping):
        return Mapping, frozenset((hashable(name), hashable(value)) for name, value in option.items())
    if isinstance(option, list | tuple):
        return Sequence, *map(hashable, option)
    if isinstance(option, Real) and math.isnan(option):
        return math.isnan  # no NaN equals another
    try:
        hash(option)
    except TypeError:
        return repr(option)
    return cast(Hashable, option)


def position(among: Sequence[Any], value: Any) -> int | None:
    """Returns the index of the option that equals a value, or None."""
    wanted = hashable(value)
    return next((index for index, option in enumerate(among) if hashable(option) == wanted), None)


def stands_for(among: Sequence[Any], value: Any) -> int | None:
    """Returns the index of the option that a trial's value is: the equal one, or of numbers the nearest; else None.

    Whoever enqueues or adds a trial may write 0.30000000000000004 for 0.3, or a number between two steps.
    """
    equal = position(among, value)
    if equal is not None or not isinstance(value, Real):
        return equal
    apart = [(abs(option - value), index) for index, option in enumerate(among) if isinstance(option, Real)]
    return min(apart)[1] if apart else None
