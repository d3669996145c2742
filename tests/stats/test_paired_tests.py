"""The statistics, against published and independently computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nastk.stats.paired_tests import Comparison, bootstrap_band, budgets, compare, conclusion, sign_flip_test

# Darwin's maize: crossed minus self-fertilized, eighths of an inch. Fisher 1935, section 21: of the 2^15 sign patterns
# 863 give a sum of 314 or more.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_the_sign_flip_test_gives_fishers_number_for_darwins_maize() -> None:
    assert sum(MAIZE) == 314
    assert sign_flip_test(MAIZE) == 863 / 2**15


@pytest.mark.parametrize("pairs", [1, 2, 5, 9])
def test_all_differences_above_zero_give_the_smallest_p(pairs: int) -> None:
    assert sign_flip_test(list(range(1, pairs + 1))) == 0.5**pairs


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_test([0.0] * 8) == 1.0
    assert sign_flip_test([0.1, -0.1] * 4) > 0.5


def test_rounding_does_not_hide_a_tie() -> None:
    """0.1 + 0.2 and 0.3 are the same gain."""
    assert sign_flip_test([0.1, 0.2, -0.3]) == sign_flip_test([1, 2, -3])


def test_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).normal(0.4, 1.0, size=11)
    other = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert sign_flip_test(list(values)) == pytest.approx(other.pvalue, abs=1e-12)


def test_many_pairs_are_sampled_and_close_to_the_t_test() -> None:
    values = np.random.default_rng(5).normal(0.25, 1.0, size=60)
    expected = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert sign_flip_test(list(values)) == pytest.approx(expected, abs=0.01)


def test_under_the_null_p_is_rarely_small() -> None:
    rng = np.random.default_rng(7)
    small = np.mean([sign_flip_test(list(rng.normal(size=8))) < 0.05 for _ in range(600)])
    assert 0.02 <= small <= 0.08


def test_the_band_is_the_normal_approximation_where_that_holds() -> None:
    curves = np.random.default_rng(0).normal([[0.9, 0.95]], 0.01, size=(200, 2))
    band = bootstrap_band(curves)
    half = 1.96 * curves.std(axis=0) / np.sqrt(200)
    assert band.mean == pytest.approx(curves.mean(axis=0))
    assert band.high - band.mean == pytest.approx(half, rel=0.15)
    assert band.mean - band.low == pytest.approx(half, rel=0.15)


def test_the_band_of_one_seed_is_its_curve() -> None:
    band = bootstrap_band(np.array([[0.1, 0.2, 0.3]]))
    assert band.low == pytest.approx(band.high)


def test_budgets_end_with_the_most_there_are() -> None:
    assert budgets(120) == [10, 25, 50, 100, 120]
    assert budgets(50) == [10, 25, 50]
    assert budgets(7) == [7]
    assert budgets(0) == []


def test_only_shared_seeds_and_budgets_that_all_reach_are_compared() -> None:
    ours = {seed: np.full(30, 0.9 + seed / 100) for seed in (1, 2, 3)}
    chance = {seed: np.full(40 if seed != 2 else 26, 0.9) for seed in (2, 3, 4)}
    found = compare(ours, chance)
    assert [comparison.evaluations for comparison in found] == [10, 25, 26]
    assert all(comparison.pairs == 2 for comparison in found)
    assert found[0].difference == pytest.approx(0.025)
    assert found[0].p == 0.25
    assert compare({1: np.ones(3)}, {2: np.ones(3)}) == []


def comparisons(*ps: float, pairs: int = 8) -> list[Comparison]:
    """Comparisons at 10, 25, 50, ... evaluations with these p."""
    return [Comparison(step, 0.0, p, 1 - p, pairs) for step, p in zip((10, 25, 50, 100), ps, strict=False)]


@pytest.mark.parametrize(
    ("ps", "finding", "sentence"),
    [
        ((0.4, 0.04, 0.002, 0.03), "better", "tpe is better than random from 25 evaluations on (p = 0.04, 8 seeds)."),
        ((0.01, 0.2, 0.03), "better", "tpe is better than random from 50 evaluations on (p = 0.03, 8 seeds)."),
        ((0.0001,), "better", "tpe is better than random from 10 evaluations on (p < 0.001, 8 seeds)."),
        ((0.3, 0.6), "not better", "tpe is not better than random at any budget up to 25 (p = 0.6, 8 seeds)."),
        (
            (0.01, 0.3),
            "better in between",
            "tpe is not better than random at 25 evaluations (p = 0.3, 8 seeds), though it is at 10 (p = 0.01).",
        ),
        ((0.3, 0.99), "worse", "tpe is worse than random at 25 evaluations (p = 0.01, 8 seeds)."),
    ],
)
def test_the_verdict_says_what_the_tests_say(ps: tuple[float, ...], finding: str, sentence: str) -> None:
    found = conclusion("tpe", "random", comparisons(*ps))
    assert (found.finding, found.sentence) == (finding, sentence)


@pytest.mark.parametrize(("pairs", "words"), [(0, "0 seeds"), (1, "1 seed "), (4, "4 seeds")])
def test_fewer_than_five_seeds_are_too_few_however_clear_they_look(pairs: int, words: str) -> None:
    found = conclusion("tpe", "random", comparisons(0.001, pairs=pairs) if pairs else [])
    assert found.finding == "too few seeds"
    assert words in found.sentence
    assert "too few to tell" in found.sentence
