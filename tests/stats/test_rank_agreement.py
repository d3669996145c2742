"""Kendall's tau and its interval against published examples, scipy's tests, closed forms and NAS-Bench-201."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nastk.stats.rank_agreement import Agreement, agreement, ceiling, kendall, spread, verdict

# Hollander and Wolfe, "Nonparametric Statistical Methods", 1973, p. 187: T = 26, tau = 0.444, exact p = 0.1194.
LIGHTNESS = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
QUALITY = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]


def compared(first: list[float], second: list[float]) -> Agreement:
    """The agreement of cells that are all there were."""
    places = np.argsort(np.argsort([-value for value in first], kind="stable"), kind="stable")
    found = agreement(first, second, [int(place) for place in places], len(first))
    assert found is not None
    return found


def test_the_textbook_example() -> None:
    found = compared(LIGHTNESS, QUALITY)
    assert found.tau == kendall(LIGHTNESS, QUALITY) == pytest.approx(4 / 9)
    assert (found.same, found.pairs) == (26, 36)
    assert found.low < 0 < found.tau < found.high


def test_ties_are_taken_as_in_tau_b() -> None:
    # Of a 2 x 2 table tau-b is the phi coefficient: Agresti, "Categorical Data Analysis".
    first = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    second = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]
    assert kendall(first, second) == pytest.approx((3 * 4 - 1 * 2) / math.sqrt(4 * 6 * 5 * 5))
    found = compared([float(value) for value in first], [float(value) for value in second])
    assert found.same == 3 * 4


def test_no_order_on_one_side_has_no_tau() -> None:
    assert kendall([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]) is None
    assert kendall([0.5], [0.1]) is None
    assert agreement([0.1, 0.2, 0.3], [0.5, 0.5, 0.5], [2, 1, 0], 3) is None
    assert "no order to compare" in verdict(None, None)


def test_of_two_cells_the_interval_is_the_closed_form() -> None:
    # One pair is in the same order with probability (1 + tau) / 2, which is 2.5 % at tau -0.95.
    found = compared([0.1, 0.2], [0.1, 0.2])
    assert found.low == pytest.approx(-0.95, abs=0.01)
    assert found.high == 1.0
    found = compared([0.1, 0.2], [0.2, 0.1])
    assert (found.low, found.high) == (-1.0, pytest.approx(0.95, abs=0.01))


@pytest.mark.parametrize("swaps", range(15))
def test_the_interval_excludes_chance_where_the_exact_test_does(swaps: int) -> None:
    order = list(range(8))
    for _ in range(swaps):  # one more inversion each time
        place = next(place for place in range(7) if order[place] < order[place + 1])
        order[place], order[place + 1] = order[place + 1], order[place]
    first, second = [float(value) for value in range(8)], [float(value) for value in order]
    exact = stats.kendalltau(first, second, method="exact")
    found = compared(first, second)
    assert found.tau == pytest.approx(exact.statistic) == pytest.approx(1 - 2 * swaps / 28)
    assert (found.low > 0) == (exact.pvalue < 0.05)
    assert found.low <= found.tau <= found.high


def test_perfect_order_of_a_few_cells_is_no_certainty() -> None:
    lows = [
        compared([float(value) for value in range(cells)], list(map(float, range(cells)))).low for cells in range(3, 9)
    ]
    assert lows == sorted(lows)
    assert [low > 0 for low in lows] == [False, False, True, True, True, True]
    assert lows[-1] < 0.75


@pytest.mark.parametrize("population", [0.5, 0.9])
def test_the_interval_holds_the_true_tau_of_normal_values(population: float) -> None:
    generator = np.random.default_rng(3)
    correlation = math.sin(math.pi / 2 * population)
    held = 0
    for _ in range(40):
        x = np.sort(generator.standard_normal(30))[::-1]
        y = correlation * x + math.sqrt(1 - correlation**2) * generator.standard_normal(30)
        ranks = spread(30, 8)
        found = agreement(list(x[ranks]), list(y[ranks]), ranks, 30)
        assert found is not None
        held += found.low <= population <= found.high
    assert held >= 34  # of 40 at 95 %: fewer once in 300


def test_the_interval_allows_for_the_spread() -> None:
    values = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    other = [8.0, 6.0, 7.0, 5.0, 4.0, 2.0, 3.0, 1.0]
    few, many = (agreement(values, other, spread(count, 8), count) for count in (8, 100))
    assert few is not None and many is not None
    assert few.tau == many.tau
    assert many.low < few.low and many.high < few.high


def test_the_interval_holds_on_nas_bench_201() -> None:
    path = Path(os.environ.get("NASTK_DATA", "/nowhere")) / "tables" / "nb201_cifar10.npz"
    if not path.exists():
        pytest.skip("NASTK_DATA has no tables/nb201_cifar10.npz")
    with np.load(path) as table:
        short, long = table["acc12_cifar10_valid"].astype(float), table["acc200_cifar10_test_nats"].astype(float)
    population = stats.kendalltau(short, long).statistic
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(40):
        searched = generator.choice(len(short), 64, replace=False)
        cells = searched[np.argsort(-short[searched])][spread(64, 8)]
        found = agreement(list(short[cells]), list(long[cells]), spread(64, 8), 64)
        assert found is not None
        held += found.low <= population <= found.high
    assert held >= 34


def test_noise_takes_as_much_as_in_a_simulation() -> None:
    generator = np.random.default_rng(0)
    truth = generator.standard_normal(4000)
    first, second = (truth + 0.7 * generator.standard_normal(4000) for _ in range(2))
    with_itself = stats.kendalltau(first, second).statistic
    assert ceiling(with_itself) == pytest.approx(stats.kendalltau(first, truth).statistic, abs=0.02)
    assert (ceiling(1.0), ceiling(-0.2)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("count", "wanted", "places"), [(10, 4, [0, 3, 6, 9]), (3, 8, [0, 1, 2]), (64, 3, [0, 32, 63])]
)
def test_places_are_spread_from_first_to_last(count: int, wanted: int, places: list[int]) -> None:
    assert spread(count, wanted) == places


def test_places_are_distinct() -> None:
    for count in range(3, 40):
        for wanted in range(2, count + 1):
            places = spread(count, wanted)
            assert len(set(places)) == wanted
            assert (places[0], places[-1]) == (0, count - 1)


def test_what_is_said_follows_the_intervals() -> None:
    good, poor, bad = (
        Agreement(0.7, 0.3, 0.9, 24, 28),
        Agreement(0.2, -0.4, 0.7, 17, 28),
        Agreement(-0.7, -0.9, -0.3, 4, 28),
    )
    assert "ranks these cells: tau 0.70 (95 % interval 0.30 to 0.90), 24 of 28 pairs" in verdict(good, None)
    assert "not shown to rank cells rather than noise" in verdict(poor, None)
    assert "evaluator.epochs" in verdict(poor, None)
    assert "wrong way round" in verdict(bad, None)
    assert "Audit at least 5" in verdict(Agreement(1.0, -0.2, 1.0, 6, 6), None)
    assert "noise may be as large" in verdict(good, poor)
    assert "may be all that they disagree by" in verdict(good, good)
    steady, doubtful = Agreement(0.9, 0.7, 1, 27, 28), Agreement(0.9, 0.1, 1, 27, 28)
    other = Agreement(0.4, 0.1, 0.6, 20, 28)
    assert "longer training also changes the order" in verdict(other, steady)
    assert "may be all that they disagree by" in verdict(other, doubtful), "the noise is not known well enough"
