"""What a search is made of, each part built once and every setting checked before anything is trained or written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage

from nastk.checks import check_name
from nastk.config.build import build, settings
from nastk.deploy.cost.sources import Costing, LatencySource
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.jobs.loggers import Logger
from nastk.jobs.parts import (
    costing_in,
    make_latency,
    make_logger,
    make_objective,
    make_space,
    make_storage,
    make_target,
)
from nastk.jobs.zero_cost import ZeroCost, check_takes_scores, give_scores, zero_cost_of
from nastk.objective import Objective
from nastk.spaces import Space, Value, replay
from nastk.storages import Storage
from nastk.study.budget import Budget
from nastk.study.pruning import Pruner, check_pruner
from nastk.study.study import SearchStudy

STARTS = ("classics",)  # what `controller.start_from` may be
OF_SEARCH = ("start_from", *(one.name for one in fields(ZeroCost)))
RECORDED_SETTINGS = (
    *("space", "controller", "evaluator", "objective", "pruner", "target", "latency", "data", "executor", "storage"),
    *("at_budget", "run", "runs", "seed", "trials", "max_duplicates", "max_rejections", "max_failures"),
)
"""Names of the settings that stand in a run's config.yaml."""


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search outside its groups: which run folder, where, and the seed."""

    run: str | None = None
    runs: str = "runs"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed={self.seed}: expected 0 to {2**32 - 1}")


@dataclass(frozen=True)
class SearchParts:
    """What a search works with besides its evaluator, which executors make.

    Attributes:
        settings: which run folder, and the seed.
        budget: when it ends.
        space: turns choices into genotypes.
        objective: turns metrics into the study's values.
        controller: proposes.
        pruner: stops candidates early.
        latency: where latencies come from.
        target: that candidates are for; None where the configuration names none.
        storage: where the study is kept.
        logger: takes numbers besides the run folder's files.
        start_from: what is asked for before anything that the controller proposes, one of `STARTS`.
        zero_cost: which scores of untrained networks the controller sees.
    """

    settings: SearchSettings
    budget: Budget
    space: Space
    objective: Objective
    controller: BaseSampler
    pruner: Pruner
    latency: LatencySource
    target: Target | None
    storage: Storage
    logger: Logger
    start_from: str | None = None
    zero_cost: ZeroCost = field(default_factory=ZeroCost)

    @property
    def costing(self) -> Costing:
        """What says the cost of an untrained network: the target, or what predicts it for another device.

        Raises:
            UserError: there is no target, or the table or predictor is not for it.
        """
        if self.target is None:
            raise UserError("target: not given, expected one that candidates can be measured on, e.g. target=cpu")
        return costing_in(self.objective.precision, self.latency, self.target)

    def give_scores(self, evaluator: Evaluator) -> None:
        """Has the controller see the scores that it is to see; raises UserError where the evaluator has none."""
        give_scores(self.zero_cost, self.controller, self.space, evaluator)


def sampler_node(controller: DictConfig) -> DictConfig:
    """Returns a controller's configuration without what is the search's and not the sampler's: `start_from`, scores."""
    return OmegaConf.masked_copy(controller, [str(name) for name in controller if name not in OF_SEARCH])


def search_parts(config: DictConfig) -> SearchParts:
    """Builds the parts that a configuration names.

    Raises:
        UserError: a setting is wrong, or the parts cannot serve each other.
    """
    chosen, budget = settings(SearchSettings, config), settings(Budget, config)
    space, objective = make_space(config), make_objective(config)

    def encode(choices: Mapping[str, Value]) -> list[float]:
        return replay(space, choices).encoding()

    node, start_from = sampler_node(config.controller), config.controller.get("start_from")
    if start_from is not None:
        check_name("controller.start_from", start_from, STARTS)
    controller: BaseSampler = build(node, "controller", BaseSampler, seed=chosen.seed, encode=encode)
    _check_serves(controller, space, objective)
    zero_cost = zero_cost_of(config.controller)
    check_takes_scores(zero_cost, controller)
    return SearchParts(
        chosen,
        budget,
        space,
        objective,
        controller,
        check_pruner(build(config.pruner, "pruner", Pruner), objective),
        make_latency(config),
        make_target(config) if config.get("target") is not None else None,
        make_storage(config),
        make_logger(config),
        start_from,
        zero_cost,
    )


def _check_serves(controller: BaseSampler, space: Space, objective: Objective) -> None:
    """Raises UserError where the controller cannot propose in this space or for this objective."""
    try:
        copied = copy.deepcopy(controller)  # what it proposes here must not change what it proposes in the search
    except TypeError:  # one of the user's own that holds a lock, say: its first proposal tells
        return
    SearchStudy(InMemoryStorage(), copied, space, objective).ask()
