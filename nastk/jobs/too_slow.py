"""Says what to change where one candidate after another breaks the limits, long before the search gives up."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from nastk.events import TRAINED
from nastk.genotype.stems import STRIDES
from nastk.jobs.candidate_input import own_stems
from nastk.objective import Objective
from nastk.runs.trials import Row

REJECTED_IN_A_ROW = 10
# What a network of another input or width can change of each.
BY_INPUT = ("latency_ms", "macs", "memory_mb")


class TooSlow:
    """Watches a search's trials.

    Args:
        config: of the search, every setting chosen.
        objective: with the limits.
        rows: of the trials so far.
    """

    def __init__(self, config: DictConfig, objective: Objective, rows: Sequence[Row]) -> None:
        self._config = config
        self._objective = objective
        self._rejected: list[Row] = []
        for row in rows:
            self._take(row)

    def watch(self, row: Row) -> None:
        """Takes a trial that has ended; after ten rejected ones without a trained one between, prints the advice."""
        self._take(row)
        if row.state == "rejected" and len(self._rejected) == REJECTED_IN_A_ROW:
            print(
                f"search: the last {REJECTED_IN_A_ROW} candidates break the limits{self.advice()}",
                file=sys.stderr,
                flush=True,
            )

    def advice(self, before: str = "; ") -> str:
        """Returns which settings make candidates cheaper, "" where the last ones were not rejected."""
        if not self._rejected:
            return ""
        limits = self._objective.limits
        nearest = min(self._rejected, key=lambda row: max(row.metrics[name] / limits[name] for name in limits))
        name = max(limits, key=lambda name: nearest.metrics[name] / limits[name])
        found, limit = nearest.metrics[name], limits[name]
        ways = [*(self._inputs() if name in BY_INPUT else ()), *self._sizes()]
        return (
            f"{before}the nearest has {name} {found:.4g}, objective.max_{name} is {limit:.4g}: "
            f"give {' or '.join(ways)} for smaller networks, or a higher limit"
        )

    def _take(self, row: Row) -> None:
        if row.state == "rejected":
            self._rejected.append(row)
        elif row.state in TRAINED:
            self._rejected.clear()

    def _inputs(self) -> list[str]:
        """Returns the image size and the stem that leave half of the pixels a side."""
        ways = []
        size = OmegaConf.select(self._config, "data.resize")
        if size is not None and size > 8:
            ways.append(f"data.resize={max(size // 2, 8)} (now {size})")
        stages = OmegaConf.select(self._config, "evaluator.network.width_multiplier") is not None
        stem = None if stages else OmegaConf.select(self._config, "evaluator.network.stem")
        stems = list(STRIDES)
        if stem in stems[:-1] and not own_stems(self._config):
            ways.append(f"evaluator.network.stem={stems[stems.index(stem) + 1]} (now {stem})")
        return ways

    def _sizes(self) -> list[str]:
        network = OmegaConf.select(self._config, "evaluator.network") or {}
        least = {"filters": 4, "cells": 1}
        whole = [
            f"evaluator.network.{name}={max(network[name] // 2, low)} (now {network[name]})"
            for name, low in least.items()
            if network.get(name) is not None and network[name] > low
        ]
        factors = [
            f"evaluator.network.{name}={network[name] / 2:g} (now {network[name]:g})"
            for name in ("width_multiplier", "depth_multiplier")
            if network.get(name) is not None
        ]
        return whole + factors
