"""Where to cut the range of a tensor, from a histogram of its values: percentile and entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of each sign, as in Migacz' slides; candidates for a cut lie on their edges.
BINS = 2048
LEVELS = 128


def histogram(values: NDArray[np.float32], greatest: float) -> NDArray[np.int64]:
    """Counts values in 2 x BINS bins of equal width from -greatest to greatest."""
    if not greatest > 0:
        return np.zeros(2 * BINS, np.int64)
    bins = (values.ravel() * np.float32(BINS / greatest) + np.float32(BINS)).astype(np.int32)
    return np.bincount(np.minimum(bins, 2 * BINS - 1), minlength=2 * BINS)


def percentile_range(counts: NDArray[np.int64], greatest: float, percentile: float) -> tuple[float, float]:
    """Returns the range that holds so many percent of the values, half of the others on either side of it.

    Wu, Judd, Zhang, Isaev, Micikevicius, "Integer Quantization for Deep Learning Inference: Principles and Empirical
    Evaluation", arXiv 2004.09602, compares it with the others.
    """
    share = np.cumsum(counts) / counts.sum()
    outside = (1 - percentile / 100) / 2
    low, high = np.searchsorted(share, outside, side="right"), np.searchsorted(share, 1 - outside) + 1
    return (float(low) / BINS - 1) * greatest, (min(float(high) / BINS, 2.0) - 1) * greatest


def entropy_bound(counts: NDArray[np.int64], greatest: float) -> float:
    """Returns the magnitude to cut at so that the quantized values tell least from the others.

    Migacz, "8-bit Inference with TensorRT", GTC 2017: of all cuts, the one with the least Kullback-Leibler divergence
    between the distribution of magnitudes, what is cut off put into the last bin that holds any, and the same in 128
    levels. The zeros, which any cut holds exactly, count as the bin above them, as in NVIDIA's pytorch-quantization.
    """
    magnitudes = (counts[BINS:] + counts[BINS - 1 :: -1]).astype(np.float64)
    magnitudes[0] = magnitudes[1]
    if not magnitudes.any():
        return greatest
    cuts = np.arange(LEVELS, BINS + 1)
    sums, filled = (np.concatenate([[0.0], np.cumsum(part)]) for part in (magnitudes, magnitudes > 0))
    total = sums[-1]
    # A level is a run of whole bins; its mass is spread evenly over those that hold anything.
    edges = -(-cuts[:, None] * np.arange(LEVELS + 1) // LEVELS)
    mass, held = np.diff(sums[edges], axis=1), np.diff(filled[edges], axis=1)
    outliers = total - sums[cuts]
    last = np.maximum.accumulate(np.where(magnitudes > 0, np.arange(BINS), 0))[cuts - 1]
    reference = mass.copy()
    reference[np.arange(len(cuts)), last * LEVELS // cuts] += outliers
    own = np.concatenate([[0.0], np.cumsum(_entropy_terms(magnitudes / total))])
    moved = _entropy_terms((magnitudes[last] + outliers) / total) - _entropy_terms(magnitudes[last] / total)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(mass > 0, np.log(mass / held / sums[cuts][:, None]), 0.0)
    divergence = own[cuts] + moved - (reference / total * density).sum(axis=1)
    divergence[sums[cuts] == 0] = np.inf
    best = len(cuts) - 1 - int(np.argmin(divergence[::-1]))
    return float(cuts[best]) / BINS * greatest


def _entropy_terms(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns p log p, 0 for 0."""
    logarithms: NDArray[np.float64] = np.log(np.where(share > 0, share, 1.0))
    return share * logarithms
