"""A predictor of latency from a handful of measurements on a new device, and what is known of other devices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nastk.deploy.cost.prior import LEAST_SHARE, Prior
from nastk.deploy.cost.robust import Floats
from nastk.deploy.cost.term_table import TermTable
from nastk.errors import UserError

LEAST_SAMPLES = 5
# What each term may cost beside what the known devices say, and how far measurements are off: shares of the latency.
DEVIATIONS = (0.05, 0.2, 0.5)
NOISES = (0.05, 0.1, 0.2)
FREEDOM = 4.0  # of Student's t, so that a throttled measurement does not move the rest
LEAST_WEIGHT = 1e-3
ROUNDS = 6


@dataclass(frozen=True)
class FewFit:
    """Costs found for a new device.

    Attributes:
        reading: which operations it was found to run.
        terms: names of the costs, but for the constant's.
        costs: (1 + terms,) in milliseconds.
        evidence: how well the prior of this reading foretells the measurements, a logarithm.
    """

    reading: str
    terms: tuple[str, ...]
    costs: Floats
    evidence: float

    def predict(self, counts: Floats) -> Floats:
        """Returns milliseconds for rows of counts (networks, 1 + terms)."""
        return np.asarray(counts @ self.costs, dtype=np.float64)


def fit_few(priors: Sequence[Prior], measured: Sequence[TermTable], latencies: Sequence[float]) -> FewFit:
    """Fits costs to measurements: the most probable ones by the prior and reading that foretell the measurements best.

    Costs are Gaussian, errors relative with Student's t (Lange, Little, Taylor, "Robust statistical modeling using the
    t distribution", 1989); what the known devices do not say, how firmly to hold to them and how noisy the measurements
    are, is chosen by the evidence in Laplace's approximation (MacKay, "Bayesian interpolation", 1992).

    Args:
        priors: one a reading.
        measured: the counts of the measured networks, of the same readings.
        latencies: of these in milliseconds.

    Raises:
        UserError: too few, or latencies that cannot be.
    """
    check_latencies(latencies)
    found = np.asarray(latencies, dtype=np.float64)
    fits = [
        _fitted(prior, table.counts, found, deviation, noise)
        for prior, table in zip(priors, measured, strict=True)
        for deviation in DEVIATIONS
        for noise in NOISES
    ]
    return max(fits, key=lambda fit: fit.evidence)


def left_out_errors(priors: Sequence[Prior], measured: Sequence[TermTable], latencies: Sequence[float]) -> list[float]:
    """Returns the relative error of each measurement's prediction from the others; none where these are too few."""
    places = range(len(latencies))
    errors = []
    for out in places if len(latencies) > LEAST_SAMPLES else ():
        rest = [place for place in places if place != out]
        kept = [latencies[place] for place in rest]
        if len(set(kept)) == 1:
            continue
        fit = fit_few(priors, [table.part(rest) for table in measured], kept)
        table = next(table for table in measured if table.reading == fit.reading)
        errors.append(abs(float(fit.predict(table.counts[[out]])[0]) / latencies[out] - 1))
    return errors


def check_latencies(latencies: Sequence[float]) -> None:
    """Raises UserError where a device cannot be learned from these."""
    if len(latencies) < LEAST_SAMPLES:
        raise UserError(f"answers: {len(latencies)} latencies, expected at least {LEAST_SAMPLES}")
    for latency in latencies:
        if not (math.isfinite(latency) and latency > 0):
            raise UserError(f"answers: {latency!r} ms, expected a number above 0")
    if len(set(latencies)) == 1:
        raise UserError(
            f"answers: all {len(latencies)} latencies are {latencies[0]!r} ms, expected those of different networks"
        )


def costs_by_term(fit: FewFit) -> Mapping[str, float]:
    """Returns the milliseconds of each term, without the constant."""
    return {term: float(cost) for term, cost in zip(fit.terms, fit.costs[1:], strict=True)}


def _fitted(prior: Prior, counts: Floats, latencies: Floats, deviation: float, noise: float) -> FewFit:
    unit = float(np.median(latencies) / np.median(np.maximum(counts @ prior.mean, LEAST_SHARE)))
    covariance = prior.widened(deviation)
    wanted = latencies / unit
    costs, weights = prior.mean, np.ones(len(wanted))
    size = np.maximum(counts @ costs, LEAST_SHARE)
    between = counts @ covariance @ counts.T
    spread = (noise * size) ** 2
    for _ in range(ROUNDS):
        spread = (noise * size) ** 2 / weights
        step = np.linalg.solve(between + np.diag(spread), wanted - counts @ prior.mean)
        costs = prior.mean + covariance @ counts.T @ step
        size = (size + np.maximum(counts @ costs, LEAST_SHARE)) / 2
        error = (wanted - counts @ costs) / (noise * size)
        weights = np.maximum((FREEDOM + 1) / (FREEDOM + error**2), LEAST_WEIGHT)
    moved = costs - prior.mean
    error = (wanted - counts @ costs) / (noise * size)
    likelihood = -np.sum((FREEDOM + 1) / 2 * np.log1p(error**2 / FREEDOM) + np.log(noise * size))
    surprise = float(moved @ np.linalg.solve(covariance, moved)) / 2
    volume = float(np.linalg.slogdet(np.eye(len(wanted)) + between / spread)[1]) / 2
    density = float(likelihood) - surprise - volume - len(wanted) * math.log(unit)
    return FewFit(prior.reading, prior.terms, costs * unit, density)
