"""The exact test on discordant images, against SciPy's binomial test."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from nastk.stats.discordant import mcnemar


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (1, 9), (20, 7), (300, 380)])
def test_p_is_that_of_a_fair_coin(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(expected, abs=1e-12)
