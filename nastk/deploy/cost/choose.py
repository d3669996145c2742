"""Which few networks to measure on an unknown device: those after which least is left open of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag

from nastk.deploy.cost.prior import Prior
from nastk.deploy.cost.robust import Floats
from nastk.deploy.cost.term_table import TermTable

DEVIATION = 0.3
NOISE = 0.2
FLOOR = 0.5


def chosen_networks(tables: Sequence[TermTable], priors: Sequence[Prior], latencies: Floats, count: int) -> list[int]:
    """Returns places in the pool, one after the other, the same at every call; a prefix is what fewer would be.

    Each is the network after whose measurement the mean variance of the relative latencies of the whole pool is least,
    by the priors of all readings at once, so that the readings are told apart too (Cohn, Ghahramani, Jordan, "Active
    learning with statistical models", JAIR 4, 1996, https://arxiv.org/abs/cs/9603104, for a linear model).

    Args:
        tables: of the pool, one a reading.
        priors: of the same readings.
        latencies: (devices, networks) of the pool on the known devices.
        count: at most as many as there are in the pool.
    """
    usual = np.median(latencies / np.median(latencies, axis=1, keepdims=True), axis=0)
    rows = np.concatenate([table.counts for table in tables], axis=1) / np.maximum(usual, FLOOR)[:, None]
    open_yet = block_diag(*[prior.widened(DEVIATION) for prior in priors]) / len(priors)
    chosen: list[int] = []
    for _ in range(count):
        reached = rows @ open_yet
        variance = np.einsum("ij,ij->i", reached, rows)
        shared = reached @ rows.T
        gain = (shared**2).mean(axis=0) / (variance + NOISE**2)
        gain[chosen] = -1.0
        place = int(np.argmax(gain))
        chosen.append(place)
        step = open_yet @ rows[place]
        open_yet = open_yet - np.outer(step, step) / (NOISE**2 + float(rows[place] @ step))
    return chosen
