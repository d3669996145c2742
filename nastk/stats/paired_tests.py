"""Says whether a controller is better than another: confidence bands over seeds and paired tests on shared seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
BATCH = 1000  # resamples that are in memory at once
EXACT_PAIRS = 16
RANDOM_FLIPS = 50_000
SIGNIFICANT = 0.05
FEWEST_SEEDS = 5
STEPS = (10, 25, 50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)

Finding = Literal["better", "better in between", "worse", "not better", "too few seeds"]


@dataclass(frozen=True)
class Band:
    """A mean curve and the range its mean may lie in, each of shape (evaluations,)."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Comparison:
    """A controller against a baseline after a number of evaluations, on the seeds they share.

    Attributes:
        evaluations: trained candidates.
        difference: mean over seeds of controller minus baseline.
        p: one-sided: how often chance alone would give a difference as great.
        p_worse: the same for one as small.
        pairs: how many seeds both have.
    """

    evaluations: int
    difference: float
    p: float
    p_worse: float
    pairs: int


@dataclass(frozen=True)
class Conclusion:
    """What the comparisons come to, and a sentence that says it."""

    finding: Finding
    sentence: str


def bootstrap_band(curves: Floats, level: float = 0.95, seed: int = 0) -> Band:
    """Returns the mean of the curves and the percentile bootstrap's range for it.

    Args:
        curves: shape (seeds, evaluations). With one seed there is nothing to resample: the band is the curve.
        level: share of the resampled means that the band covers.
        seed: of the resampling; the same curves give the same band.

    Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979.
    """
    mean = curves.mean(axis=0)
    if len(curves) == 1:
        return Band(mean, mean, mean)
    from scipy.stats import bootstrap  # scipy takes a second to load, which other commands need not wait for

    drawn = {"n_resamples": RESAMPLES, "batch": BATCH, "rng": seed}
    # Most evaluations change no seed's best so far: each run of equal columns is resampled once.
    starts = np.append(0, 1 + np.flatnonzero((curves[:, 1:] != curves[:, :-1]).any(axis=0)))
    found = bootstrap((curves[:, starts],), np.mean, axis=0, confidence_level=level, method="percentile", **drawn)
    lengths = np.diff(starts, append=curves.shape[1])
    low, high = found.confidence_interval
    return Band(mean, np.repeat(low, lengths), np.repeat(high, lengths))


def sign_flip_test(differences: Sequence[float], seed: int = 0) -> float:
    """Returns the one-sided p of the mean of paired differences being above 0.

    Where the two do alike, each difference could as well have the other sign: p is the share of sign patterns whose
    sum is at least the observed one; all of them for up to 16 pairs, else 50,000 random ones and the observed.
    Fisher, "The Design of Experiments", 1935, section 21.
    """
    if len(differences) == 1:
        return 0.5 if differences[0] > 0 else 1.0
    from scipy.stats import permutation_test

    values = np.asarray(differences, dtype=np.float64)
    scale = float(np.abs(values).sum()) or 1.0

    def total(flipped: Floats, axis: int = -1) -> Floats:
        """Sums of the same numbers in another order are equal: they are rounded."""
        rounded: Floats = np.round(flipped.sum(axis=axis) / scale, 12)
        return rounded

    drawn = {"n_resamples": 2**EXACT_PAIRS if len(values) <= EXACT_PAIRS else RANDOM_FLIPS, "batch": BATCH, "rng": seed}
    found = permutation_test((values,), total, permutation_type="samples", alternative="greater", **drawn)
    return float(found.pvalue)


def budgets(most: int) -> list[int]:
    """Returns the numbers of evaluations to compare at: round ones, and the most there are."""
    return [*(step for step in STEPS if step < most), most] if most > 0 else []


def compare(controller: dict[int, Floats], baseline: dict[int, Floats]) -> list[Comparison]:
    """Compares best-so-far curves at every budget that all shared seeds reach.

    Args:
        controller: best so far after 1, 2, ... evaluations, by seed.
        baseline: the same of the other.

    Returns:
        one comparison a budget, in order; none where no seed is shared.
    """
    shared = sorted(set(controller) & set(baseline))
    if not shared:
        return []
    most = min(min(len(controller[seed]), len(baseline[seed])) for seed in shared)
    found = []
    for evaluations in budgets(most):
        gains = [float(controller[seed][evaluations - 1] - baseline[seed][evaluations - 1]) for seed in shared]
        worse = sign_flip_test([-gain for gain in gains])
        found.append(Comparison(evaluations, float(np.mean(gains)), sign_flip_test(gains), worse, len(shared)))
    return found


def conclusion(name: str, baseline: str, comparisons: Sequence[Comparison]) -> Conclusion:
    """Returns what a user may conclude, at 5 % one-sided; says so where that is nothing.

    "Better from N on" asks for significance at N and at every budget after it, and gives the largest p of those.
    """
    pairs = comparisons[-1].pairs if comparisons else 0
    if pairs < FEWEST_SEEDS:
        seeds = f"{pairs} seed{'s' * (pairs != 1)}"
        return Conclusion(
            "too few seeds",
            f"{name} shares {seeds} with {baseline}: too few to tell, at least {FEWEST_SEEDS} are needed.",
        )
    last = comparisons[-1]
    lasting: list[Comparison] = []
    for comparison in reversed(comparisons):
        if comparison.p >= SIGNIFICANT:
            break
        lasting.insert(0, comparison)
    if lasting:
        worst = max(comparison.p for comparison in lasting)
        start = lasting[0].evaluations
        return Conclusion(
            "better", f"{name} is better than {baseline} from {start} evaluations on ({_p(worst)}, {pairs} seeds)."
        )
    if last.p_worse < SIGNIFICANT:
        text = f"{name} is worse than {baseline} at {last.evaluations} evaluations ({_p(last.p_worse)}, {pairs} seeds)."
        return Conclusion("worse", text)
    end = f"({_p(last.p)}, {pairs} seeds)"
    between = [comparison for comparison in comparisons if comparison.p < SIGNIFICANT]
    if between:
        best = between[-1]
        return Conclusion(
            "better in between",
            f"{name} is not better than {baseline} at {last.evaluations} evaluations {end}, "
            f"though it is at {best.evaluations} ({_p(best.p)}).",
        )
    return Conclusion(
        "not better", f"{name} is not better than {baseline} at any budget up to {last.evaluations} {end}."
    )


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
