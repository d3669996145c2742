"""Options are what Optuna would accept, and a value finds its own, however it was typed, rounded or stored."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nastk.controllers.options import MAX_OPTIONS, hashable, options, position, stands_for

STEPPED = [(0, 0.3, 0.1), (0.1, 0.7, 0.1), (0, 1.2, 0.4), (-10.2, 10.2, 0.1), (1e-7, 1e-6, 1e-7), (0.0, 1.0, 0.3)]


@pytest.mark.parametrize(("low", "high", "step"), STEPPED)
def test_steps_end_at_the_upper_end_and_are_the_numbers_that_one_would_write(
    low: float, high: float, step: float
) -> None:
    distribution = FloatDistribution(low, high, step=step)
    among = options(distribution)
    assert among is not None
    assert (among[0], among[-1]) == (low, distribution.high)
    assert len(among) == round((distribution.high - low) / step) + 1
    assert all(distribution._contains(option) and len(repr(option)) <= 7 for option in among)


def test_what_has_no_finite_options_or_too_many_has_none() -> None:
    endless: list[BaseDistribution] = [
        FloatDistribution(0, 1),
        FloatDistribution(1e-5, 1, log=True),
        FloatDistribution(0, 1, step=1 / MAX_OPTIONS),
        IntDistribution(0, MAX_OPTIONS),
    ]
    assert [options(distribution) for distribution in endless] == [None] * 4
    assert options(IntDistribution(1, MAX_OPTIONS, log=True)) == tuple(range(1, MAX_OPTIONS + 1))
    assert options(CategoricalDistribution(("a", None))) == ("a", None)


@pytest.mark.parametrize(
    "option",
    ["a", 1, 0.5, None, True, math.nan, [64, 32], (16, 8), {"n": 1, "m": [2]}, [{"a": None}], np.float32("nan"), {3}],
)
def test_any_option_is_found_again_after_it_was_stored(option: Any) -> None:
    among = ("other", [1], {"n": 2}, option)
    assert position(among, option) == 3
    if not isinstance(option, np.floating | set):
        stored = json.loads(json.dumps(option))
        assert hashable(stored) == hashable(option)
        assert position(among, stored) == 3
    assert position(among[:3], option) is None


@pytest.mark.parametrize(
    ("value", "option"), [(0.30000000000000004, 0.3), (0.25, 0.2), (7, 0.5), (-7.5, 0.1), (np.float64(0.4), 0.4)]
)
def test_a_number_stands_for_the_nearest_option(value: float, option: float) -> None:
    among = (0.1, 0.2, 0.3, 0.4, 0.5)
    index = stands_for(among, value)
    assert index is not None
    assert among[index] == option


def test_a_value_that_is_no_number_stands_for_nothing_but_itself() -> None:
    assert stands_for(("a", "b"), "b") == 1
    assert stands_for(("a", 1), "c") is None
