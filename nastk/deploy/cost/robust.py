"""A sum of costs fitted to latencies, most of which are right and some far off: by relative error, robustly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The relative error at which a latency begins to count as one that was taken under other conditions.
BANDWIDTH = 0.07
# What is asked of a predictor: most latencies within so much of the truth.
WITHIN = 0.1
SHRINKAGE = 1e-4
FOLDS = 10
LEAST = 0.002
ROUNDS = 15


def fitted_costs(counts: Floats, latencies: Floats) -> Floats:
    """Returns the cost of each term, the first of them of the constant.

    First Huber's estimator on the latencies, then reweighted least squares on the relative errors with Welsch's
    weights, exp(-(error / 0.07)^2 / 2): where a clock was throttled for a part of the measurements, the costs become
    those of the larger part and not of a mixture (Holland, Welsch, "Robust regression using iteratively reweighted
    least-squares", 1977). At the end all costs are scaled by up to 15 % so that most latencies lie within 10 %.

    Args:
        counts: (networks, terms); the first column is all ones.
        latencies: (networks,), above 0.
    """
    median = float(np.median(latencies))
    spread = counts.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    scaled = counts / scale
    ridge = SHRINKAGE * len(latencies) * np.eye(counts.shape[1])
    ridge[0, 0] *= SHRINKAGE
    weights: Floats = np.ones(len(latencies))
    costs: Floats = np.zeros(counts.shape[1])
    for turn in range(3 * ROUNDS):
        left = scaled.T @ (scaled * weights[:, None]) + ridge
        costs = np.asarray(np.linalg.solve(left, scaled.T @ (weights * latencies)), dtype=np.float64)
        predicted = scaled @ costs
        error = latencies - predicted
        if turn < ROUNDS:
            deviation = 1.4826 * float(np.median(np.abs(error))) + LEAST * LEAST * median
            weights = 1 / np.maximum(1, np.abs(error) / (1.35 * deviation))
        else:
            size = np.maximum(predicted, 0.02 * median)
            weights = np.exp(-0.5 * (error / size / BANDWIDTH) ** 2) * (median / size) ** 2
    costs = costs / scale
    return costs * _best_factor(predictions(counts, costs, latencies), latencies)


def predictions(counts: Floats, costs: Floats, latencies: Floats) -> Floats:
    """Returns the sums, none below 0.2 % of the latencies' median."""
    return np.maximum(counts @ costs, LEAST * float(np.median(latencies)))


def merit(counts: Floats, latencies: Floats) -> float:
    """Returns how well costs fitted to a part predict the rest, over ten folds: 0 to 2.

    It is the share of latencies within 10 %, a smooth form of it, plus Kendall's tau.
    """
    from scipy.stats import kendalltau

    predicted = np.zeros(len(latencies))
    fold = np.arange(len(latencies)) % FOLDS
    for part in range(FOLDS):
        held = fold == part
        if held.any():
            costs = fitted_costs(counts[~held], latencies[~held])
            predicted[held] = predictions(counts[held], costs, latencies)
    tau = kendalltau(predicted, latencies).statistic
    return _share(predicted, latencies) + (0.0 if np.isnan(tau) else float(tau))


def _share(predicted: Floats, latencies: Floats) -> float:
    return float(np.mean(1 / (1 + np.abs((predicted - latencies) / (WITHIN * latencies)) ** 8)))


def _best_factor(predicted: Floats, latencies: Floats) -> float:
    """Returns the middle of the factors that put most latencies within 10 %."""
    factors = np.linspace(0.85, 1.15, 121)
    shares = np.array([_share(factor * predicted, latencies) for factor in factors])
    return float(factors[shares >= shares.max() - 0.002].mean())
