"""Reconciles the times of single operations with those of the whole networks that they were taken in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# How firmly an operation is held to its own time, as the weight of a doubling of it against that of a network's latency
# being off by all of itself.
HOLDS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
LEAST_MS = 1e-4


def corrected_times(counts: Floats, times: Floats, latencies: Sequence[float]) -> tuple[float, Floats]:
    """Returns a base and the times of operations whose sums fit the networks' latencies.

    The profiler stops the clock in whole microseconds and takes some of them itself, and an operation is quicker behind
    one that has left its input in the cache. So each time is multiplied by a factor of its own: by ridge regression
    towards the factor that they have in common, on relative errors, held as firmly as foretells networks left out best
    (Allen, "The relationship between variable selection and data augmentation and a method for prediction", 1974).

    Args:
        counts: (networks, operations), how often each is in a network.
        times: (operations,) in milliseconds, as profiled.
        latencies: (networks,) in milliseconds.
    """
    measured = np.asarray(latencies, dtype=np.float64)
    common = float(np.median(measured / np.maximum(counts @ times, LEAST_MS)))
    expected = np.maximum(common * times, LEAST_MS)
    parts = np.column_stack([np.ones(len(measured)), counts * expected]) / measured[:, None]
    wanted = (measured - counts @ expected) / measured
    best = min((_left_out(parts, wanted, hold) for hold in HOLDS), key=lambda found: found[0])
    return float(best[1][0]), np.maximum(expected * (1 + best[1][1:]), 0.0)


def _left_out(parts: Floats, wanted: Floats, hold: float) -> tuple[float, Floats]:
    """Returns the mean square error of networks left out one by one, and the coefficients with all of them in."""
    ridge = hold * np.eye(parts.shape[1])
    ridge[0, 0] = hold * float(np.mean(parts[:, 0] ** 2)) * 0.01
    inverse = np.linalg.pinv(parts.T @ parts + ridge)
    coefficients: Floats = inverse @ (parts.T @ wanted)
    leverage = np.einsum("ij,jk,ik->i", parts, inverse, parts)
    error = (wanted - parts @ coefficients) / np.maximum(1 - leverage, 1e-3)
    return float(np.mean(error**2)), coefficients
