"""The interval of a share, against SciPy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from nastk.stats.interval import wilson


@pytest.mark.parametrize(("right", "count"), [(0, 10), (8, 10), (10, 10), (347, 360), (9412, 10_000), (1, 2)])
def test_the_interval_is_scipys(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
