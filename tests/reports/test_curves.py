"""The numbers behind the curves."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from nastk.reports.curves import best_so_far, random_order, window


def test_best_so_far_is_the_running_maximum() -> None:
    assert best_so_far([0.2, 0.5, 0.1, 0.7, 0.6]).tolist() == [0.2, 0.5, 0.5, 0.7, 0.7]


def test_random_order_is_the_mean_over_all_orders() -> None:
    values = [0.3, 0.9, 0.9, 0.1, 0.55, 0.7]
    everything = np.array([best_so_far(order) for order in permutations(values)])
    found = random_order(values)
    assert found.expected == pytest.approx(everything.mean(0), abs=1e-12)
    for curve, share in ((found.low, 0.05), (found.high, 0.95)):
        assert curve == pytest.approx(np.quantile(everything, share, axis=0, method="inverted_cdf"))


def test_random_order_stays_exact_for_a_thousand_values() -> None:
    """Of 1, 2, ... N the greatest of n is (N + 1) n / (n + 1) on average (the German tank problem)."""
    drawn = np.arange(1, 1001)
    assert random_order(list(range(1, 1001))).expected == pytest.approx(1001 * drawn / (drawn + 1), rel=1e-9)


def test_one_value_is_its_own_curve() -> None:
    assert [curve.tolist() for curve in random_order([0.5])] == [[0.5]] * 3


def test_a_failed_candidate_does_not_stretch_the_axis() -> None:
    good = [0.95, 0.951, 0.952, 0.953, 0.954, 0.955, 0.956]
    low, high = window([*good, 0.1])
    assert low > 0.9
    assert high > 0.956
    assert window(good)[0] < 0.95
    low, high = window([0.9])
    assert low < 0.9 < high
