"""What repeated trainings say: the mean of differences and how far it may be off."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t


def mean_and_reach(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Returns the mean, and half of its interval by Student's t; NaN for a single difference."""
    count = len(differences)
    if count < 2:
        return statistics.fmean(differences), math.nan
    reach = float(t.ppf((1 + level) / 2, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return statistics.fmean(differences), reach
