"""What devices that are known say of the costs on one that is not: a mean and a covariance, as of a draw from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nastk.deploy.cost.robust import Floats, fitted_costs
from nastk.deploy.cost.term_table import TermTable

# A prediction is taken to be no less than this share of the usual latency where relative errors are weighed.
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Prior:
    """Costs of a reading's terms on an unknown device, in units of its median latency over the pool of networks.

    Attributes:
        reading: of the terms.
        terms: their names; the costs have that of the constant before them.
        mean: (1 + terms,), over the known devices.
        covariance: (1 + terms, 1 + terms), of these.
        scale: (1 + terms,), the standard deviation of each count over the pool, 1 where all are equal.
    """

    reading: str
    terms: tuple[str, ...]
    mean: Floats
    covariance: Floats
    scale: Floats

    def widened(self, deviation: float) -> Floats:
        """Returns the covariance of a device that is like the known ones, but for its speed and some of its own.

        Args:
            deviation: that each term adds of its own, as a share of the median latency.
        """
        own = np.diag((deviation / self.scale) ** 2)
        return np.asarray(self.covariance + np.outer(self.mean, self.mean) + own, dtype=np.float64)


def device_prior(table: TermTable, latencies: Floats) -> Prior:
    """Returns the prior of one reading.

    Args:
        table: of the pool.
        latencies: (devices, networks) of the same networks on the known devices, in any unit of each.
    """
    costs = np.array([fitted_costs(table.counts, one) / np.median(one) for one in latencies])
    centred = costs - costs.mean(axis=0)
    spread = table.counts.std(axis=0)
    return Prior(
        table.reading,
        table.terms,
        mean=costs.mean(axis=0),
        covariance=centred.T @ centred / len(costs),
        scale=np.where(spread > 1e-9, spread, 1.0),
    )


def device_priors(tables: Sequence[TermTable], latencies: Floats) -> list[Prior]:
    """Returns the prior of every reading; see `device_prior`."""
    return [device_prior(table, latencies) for table in tables]
