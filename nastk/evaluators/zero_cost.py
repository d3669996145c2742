"""Scores a genotype by zero-cost proxies of the untrained network, from one batch of the training images."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor

from nastk.checks import MOST, check_whole
from nastk.data.images import DataSource
from nastk.data.summary import data_lines
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Report
from nastk.evaluators.network_settings import network_for
from nastk.evaluators.of_images import ImageEvaluator
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.objective import SCORE, SCORE_SECONDS
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.seeds import threads_set
from nastk.zero_cost.scoring import check_proxies, log_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZeroCostEvaluator(ImageEvaluator):
    """Ranks candidates by the sum of the logarithms of their proxies, which is the order of their product.

    So a score hangs on the candidate alone and stays what it is as others come, where ranks or deviations among the
    candidates would not. Proxies whose logarithms spread more count more. Over the cells of NAS-Bench-201 and the
    published scores, synflow's spread 28 and NASWOT's 52; Kendall's tau with the accuracy after 200 epochs is 0.55 of
    synflow, 0.59 of NASWOT, and 0.63 of the sum.

    Attributes:
        data: where the images come from.
        network: fields of `NetworkConfig`; classes, channels and size are the data's.
        proxies: names in `nastk.zero_cost.proxies`.
        batch: images that a candidate is scored on.
        seed: draws the batch, and with its key each candidate's weights.
        device, threads: that it is computed on.
        resolutions: image sizes that candidates may choose, pixels a side; follows from the space.
    """

    data: DataSource
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    proxies: tuple[str, ...] = ("synflow", "naswot")
    batch: int = 64
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    resolutions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Checks every value; raises UserError, before anything is scored."""
        if not self.proxies:
            raise UserError("evaluator.proxies=[]: expected at least one proxy, e.g. [synflow,naswot]")
        check_proxies("evaluator.proxies", self.proxies)
        check_whole("evaluator.batch", self.batch, 2, MOST)
        check_whole("evaluator.seed", self.seed, 0, MOST)
        if self.threads is not None:
            check_whole("evaluator.threads", self.threads, 1, 1024)
        _ = self.network_config, self._device

    @cached_property
    def network_config(self) -> NetworkConfig:
        """The network that candidates are built as; measure their cost on this one."""
        return network_for(self.network, self.data)

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Scores one candidate.

        Args:
            genotype: the candidate.
            report: never called; nothing is trained.

        Returns:
            "score", the sum of the logarithms, and these by proxy ("log_synflow").

        Raises:
            EvaluationFailed: a proxy has no finite logarithm, or the memory does not suffice.
        """
        config, start = self.network_config.of(genotype), time.perf_counter()
        try:
            with threads_set(self.threads, config.size), memory_errors_named():
                found = log_scores(genotype, config, self._batch(config.size), self.proxies, self.seed)
        except TrainingError as error:
            raise EvaluationFailed(error.reason) from None
        for name, value in found.items():
            if not math.isfinite(value):
                raise EvaluationFailed(f"{name} cannot tell what this network is worth: its logarithm is {value}")
        logarithms = {f"log_{name}": value for name, value in found.items()}
        return {SCORE: sum(found.values()), **logarithms, SCORE_SECONDS: time.perf_counter() - start}

    def data_lines(self) -> list[str]:
        """Returns what a user is told of the images; raises UserError where the test part is not what it should be."""
        proxies, count = " + ".join(self.proxies), min(self.batch, len(self._drawn.train))
        said = f"search: candidates are not trained; their score is {proxies} in logarithms, of {count} training images"
        return [*data_lines(self.data, self._drawn, flip=bool(self.data.flip)), said]

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        if size not in self._batches:
            self._batches[size] = self.batch_of(size, self.batch)
        return self._batches[size]

    @cached_property
    def _batches(self) -> dict[int, tuple[Tensor, Tensor]]:
        return {}
