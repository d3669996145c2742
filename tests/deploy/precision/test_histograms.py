"""Cuts of a range: those of the papers, written out in loops, and of independent libraries."""

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector
from scipy.stats import entropy

from nastk.deploy.precision.histograms import BINS, LEVELS, entropy_bound, histogram, percentile_range

GENERATOR = np.random.default_rng(0)
SAMPLES = {
    "normal": GENERATOR.normal(size=50_000),
    "rectified": np.maximum(GENERATOR.normal(size=50_000), 0),
    "outliers": np.concatenate([GENERATOR.normal(size=50_000), [40, -30]]),
    "heavy tails": GENERATOR.standard_t(3, size=50_000),
    "few": GENERATOR.normal(size=640),
}
every_sample = pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)


def divergence(magnitudes: np.ndarray, cut: int) -> float:
    """Migacz' slides step by step, with SciPy's divergence: of the first `cut` bins in 128 levels."""
    reference = magnitudes[:cut].copy()
    reference[np.flatnonzero(reference)[-1]] += magnitudes[cut:].sum()
    candidate = np.zeros(cut)
    for level in range(LEVELS):
        inside = np.arange(cut) * LEVELS // cut == level
        filled = inside & (magnitudes[:cut] > 0)
        candidate[filled] = magnitudes[:cut][inside].sum() / max(filled.sum(), 1)
    return entropy(reference, candidate)


@every_sample
def test_entropy_finds_the_least_divergence(values: np.ndarray) -> None:
    values = values.astype(np.float32)
    greatest = float(np.abs(values).max())
    counts = histogram(values, greatest)
    magnitudes = (counts[BINS:] + counts[BINS - 1 :: -1]).astype(float)
    magnitudes[0] = magnitudes[1]
    bound = entropy_bound(counts, greatest) / greatest * BINS
    assert bound == pytest.approx(round(bound), abs=1e-6)
    others = min(divergence(magnitudes, cut) for cut in range(LEVELS, BINS + 1, 15))
    assert divergence(magnitudes, round(bound)) <= others + 1e-9


def test_entropy_cuts_outliers_off() -> None:
    values = SAMPLES["outliers"].astype(np.float32)
    assert 3 < entropy_bound(histogram(values, 40.0), 40.0) < 5


@every_sample
def test_percentiles_are_numpys_to_a_bin(values: np.ndarray) -> None:
    values = values.astype(np.float32)
    greatest = float(np.abs(values).max())
    low, high = percentile_range(histogram(values, greatest), greatest, 99.0)
    expected = np.percentile(values, [0.5, 99.5])
    # Among few values the percentile lies anywhere between two of them.
    room = greatest / BINS if len(values) > 1000 else float(np.diff(np.sort(values)).max())
    assert low == pytest.approx(expected[0], abs=2 * room)
    assert high == pytest.approx(expected[1], abs=2 * room)


@every_sample
def test_percentiles_are_those_of_onnx_runtimes_calibrator(values: np.ndarray, capsys) -> None:
    values = values.astype(np.float32)
    greatest = float(np.abs(values).max())
    theirs = HistogramCollector("percentile", False, 2 * BINS, 128, 99.9, "same")
    theirs.collect({"x": [values]})
    expected = theirs.compute_collection_result()["x"][:2]
    found = percentile_range(histogram(values, greatest), greatest, 99.9)
    np.testing.assert_allclose(found, expected, atol=1.01 * greatest / BINS)


def test_all_values_are_kept_at_a_hundred_percent_and_counted_once() -> None:
    values = SAMPLES["normal"].astype(np.float32)
    greatest = float(np.abs(values).max())
    counts = histogram(values, greatest)
    assert counts.sum() == len(values)
    low, high = percentile_range(counts, greatest, 100.0)
    assert low <= values.min() < low + greatest / BINS
    assert high - greatest / BINS < values.max() <= high


def test_a_tensor_of_zeros_has_no_histogram() -> None:
    counts = histogram(np.zeros(10, np.float32), 0.0)
    assert not counts.any()
    assert entropy_bound(counts, 0.0) == 0
