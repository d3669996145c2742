"""Zero-cost scores as inputs of a controller's model: of which proxies, and how a choice becomes scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from omegaconf import DictConfig
from optuna.samplers import BaseSampler
from torch import Tensor

from nastk.config.build import settings
from nastk.controllers import Predictor
from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.networks import NetworkConfig
from nastk.spaces import Space, Value, replay
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.seeds import threads_set
from nastk.zero_cost.scoring import check_proxies, log_scores

WHERE = "controller.zero_cost"
MOST_IMAGES = 4096


@dataclass(frozen=True)
class ZeroCost:
    """The settings of a controller's scores.

    Attributes:
        zero_cost: names of proxies; none: the model sees no scores.
        zero_cost_images: that a network is scored on.

    Raises:
        UserError: an unknown proxy, or one named twice; a number of images that cannot be.
    """

    zero_cost: tuple[str, ...] = ()
    zero_cost_images: int = 32

    def __post_init__(self) -> None:
        check_proxies(WHERE, self.zero_cost)
        if not 2 <= self.zero_cost_images <= MOST_IMAGES:
            raise UserError(f"{WHERE}_images={self.zero_cost_images}: expected 2 to {MOST_IMAGES}")


def zero_cost_of(controller: DictConfig) -> ZeroCost:
    """Returns a controller's settings of scores, checked."""
    return cast(ZeroCost, settings(ZeroCost, controller, "controller."))


def check_takes_scores(wanted: ZeroCost, controller: BaseSampler) -> None:
    """Raises UserError where scores are wanted by a controller that has no model to see them."""
    if wanted.zero_cost and not isinstance(controller, Predictor):
        raise UserError(
            f"{WHERE}={list(wanted.zero_cost)}: {type(controller).__name__} takes no scores, expected "
            "controller=predictor"
        )


def give_scores(wanted: ZeroCost, controller: BaseSampler, space: Space, evaluator: Evaluator) -> None:
    """Has a controller's model see the scores of the networks that its choices stand for.

    Args:
        wanted: which scores; none of them leaves the controller as it is.
        controller: of the search.
        space: of the search.
        evaluator: of the search; it has the images and says how networks are built.

    Raises:
        UserError: the evaluator builds no networks, or has no images.
    """
    if not wanted.zero_cost:
        return
    config = evaluator.network_config
    if config is None or evaluator.batch_of(config.size, wanted.zero_cost_images) is None:
        raise UserError(
            f"{WHERE}={list(wanted.zero_cost)}: {type(evaluator).__name__} has no networks and images to score, "
            "expected evaluator=training"
        )
    assert isinstance(controller, Predictor)  # as `check_takes_scores` made sure of
    controller.score_by(CandidateScores(wanted, space, evaluator, config))


class CandidateScores:
    """From choices to the logarithms of the scores of the network as chosen, before it is brought to any budget.

    Networks of one key are scored once. What does not fit into memory has no score, and counts as the worst.
    """

    def __init__(self, wanted: ZeroCost, space: Space, evaluator: Evaluator, network: NetworkConfig) -> None:
        self._wanted, self._space, self._evaluator, self._network = wanted, space, evaluator, network
        self._seed = int(getattr(evaluator, "seed", 0))
        self._known: dict[str, list[float]] = {}
        self._batches: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, choices: Mapping[str, Value]) -> list[float]:
        """Returns a number for each proxy, not finite where it cannot be told."""
        genotype = replay(self._space, choices)
        if genotype.key not in self._known:
            config = self._network.of(genotype)
            try:
                with threads_set(self._evaluator.threads, config.size), memory_errors_named():
                    found = log_scores(genotype, config, self._batch(config.size), self._wanted.zero_cost, self._seed)
            except TrainingError:
                found = dict.fromkeys(self._wanted.zero_cost, math.nan)
            self._known[genotype.key] = list(found.values())
        return self._known[genotype.key]

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        if size not in self._batches:
            batch = self._evaluator.batch_of(size, self._wanted.zero_cost_images)
            assert batch is not None  # `give_scores` made sure that there are images
            self._batches[size] = batch
        return self._batches[size]
