"""Bringing candidates to the budget: each as large as the limits allow before it is judged, so that all cost alike.

What is compared is then the architecture, not who happened to be larger; and the candidate that wins is the network
that will be shipped, not one that is scaled afterwards. Known networks that it is compared with are sized to the same
limits (scaling by factors of depth and width: Tan, Le, "EfficientNet", ICML 2019, https://arxiv.org/abs/1905.11946);
what that leaves of the limits goes to single stages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from omegaconf import DictConfig

from nastk.budget import LATENCY
from nastk.checks import check_flag
from nastk.deploy.cost.sources import MeasuredLatency, PredictorLatency
from nastk.deploy.targets.quickest import times_both
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.jobs.candidate_input import with_values
from nastk.jobs.filling import filled_surely
from nastk.jobs.parts import shares_weights
from nastk.jobs.search_parts import SearchParts, search_parts
from nastk.jobs.transfer.clock import MARGIN, margin_of, measured_at_ease
from nastk.jobs.transfer.sizing import last_that_fits
from nastk.objective import AUTO, BEST, Objective
from nastk.spaces import StageSpace
from nastk.study.ahead import CostModel

NO_WEIGHTS = "evaluator=supernet has weights for the networks of the space, none for larger and smaller ones"
STEPS_AN_OCTAVE = 8


def _scaling(step: int) -> Scaling:
    """Returns the step's scaling: what has room is made wider, what is too slow narrower and shallower alike."""
    factor = 2 ** (step / STEPS_AN_OCTAVE)
    return Scaling(width=factor, depth=min(factor, 1.0))


# From an eighth of a candidate, as it was proposed, to four times its width, each step a twelfth above the one before.
# What four times are far below the limit costs minutes to measure and days to train, and no limit asked for it.
# What uses less of the limits at four times its width is not filled up stage by stage either.
WORTH_FILLING = 0.25
SCALINGS = tuple(_scaling(step) for step in range(-3 * STEPS_AN_OCTAVE, 2 * STEPS_AN_OCTAVE + 1))


def at_budget(config: DictConfig, parts: SearchParts, recorded: DictConfig | None) -> bool:
    """Says whether candidates are brought to the budget: by the setting, `auto` where there are stages and limits.

    Args:
        config: of the search.
        parts: of it.
        recorded: what the run folder holds; a search that was begun without goes on without, left to nastk.

    Raises:
        UserError: the setting is none of auto, true and false, or true where that cannot be.
    """
    value = config.get("at_budget", False)
    check_flag("at_budget", value, AUTO)
    if value == AUTO and recorded is not None and "at_budget" not in recorded:
        return False
    why_not = NO_WEIGHTS if shares_weights(config) else _why_not(parts)
    if value is True and why_not is not None:
        raise UserError(f"at_budget=true: {why_not}; at_budget=auto leaves it out where that is so")
    return bool(value) and why_not is None


def brought_to_budget(
    config: DictConfig, parts: SearchParts, recorded: DictConfig | None
) -> tuple[DictConfig, SearchParts]:
    """Returns a search's settings with those chosen that say how candidates are brought to the limits, and its parts.

    `objective.precision=auto` is the quicker of the files that may ship, where a latency is to be kept: files of one
    network differ in time by factors, and what is made as large as the limit allows has to be the file that keeps it.

    Args:
        config: of the search.
        parts: of it.
        recorded: see `at_budget`.

    Raises:
        UserError: see `at_budget`.
    """
    brought = at_budget(config, parts, recorded)
    config = with_values(config, {"at_budget": brought})
    if parts.objective.precision != AUTO:
        return config, parts
    timed = brought and LATENCY in parts.objective.limits and isinstance(parts.latency, MeasuredLatency)
    both = timed and parts.target is not None and times_both(parts.target)
    config = with_values(config, {"objective.precision": BEST if both else None})
    return config, search_parts(config)


def _why_not(parts: SearchParts) -> str | None:
    """Returns why candidates cannot be brought to the budget, None where they can."""
    if not isinstance(parts.space, StageSpace):
        return "expected a space of stages, such as +space=mobile: the width of cells is no part of their genotype"
    if not parts.objective.limits:
        return "expected a limit, such as objective.max_latency_ms=0.5"
    if isinstance(parts.latency, PredictorLatency):
        return "latency=learned knows networks of the size that it was learned from, not larger and smaller ones"
    return None


class BudgetFit:
    """Brings a candidate to the limits, and says what a candidate costs; nothing is measured twice without need.

    One form of a candidate is measured after the other, for each says which is next; several candidates may be brought
    to the limits at the same time, in threads, where `cost` takes that.

    Args:
        cost: measures an untrained genotype.
        objective: has the limits.
    """

    def __init__(self, cost: CostModel, objective: Objective) -> None:
        self._cost = cost
        self._objective = objective
        self._known: dict[str, Mapping[str, float]] = {}
        self._chosen: dict[str, Genotype] = {}

    @property
    def measures_by(self) -> CostModel:
        """What measures."""
        return self._cost

    def __call__(self, genotype: Genotype) -> Mapping[str, float]:
        """Returns what a genotype costs, as it was measured when it was fitted."""
        if genotype.key not in self._known:
            limit = self._objective.max_latency_ms
            cost = measured_at_ease(lambda: self._cost(genotype), limit, MARGIN)
            assert cost is not None  # no memory is an `EvaluationFailed` here
            self._known.setdefault(genotype.key, cost)  # another thread may have been first
        return self._known[genotype.key]

    def fitted(self, genotype: Genotype) -> Genotype:
        """Returns a form of the genotype that uses the limits; the least by `SCALINGS` where none meets them.

        It is the largest of `SCALINGS`, filled up by `nastk.jobs.filling` where a larger one broke them. A latency
        stays a little below its limit, for it will be measured again. Cells, whose size is no part of their genotype,
        are returned as they are.
        """
        if isinstance(genotype, StageGenotype) and genotype.key not in self._chosen:
            self._chosen[genotype.key] = self._largest(genotype)
        return self._chosen.get(genotype.key, genotype)

    def _largest(self, genotype: StageGenotype) -> Genotype:
        forms = [scaling.genotype(genotype) for scaling in SCALINGS]
        place = last_that_fits(lambda index: self._fits(forms[index]), len(forms), SCALINGS.index(Scaling()))
        if place < 0 or (place == len(forms) - 1 and self._used(forms[place]) < WORTH_FILLING):
            return forms[max(place, 0)]
        return filled_surely(forms[place], self._used, self._holds)

    def _holds(self, genotype: StageGenotype) -> bool:
        """Says whether a fresh clock finds a form within the limit too; the slower of both times counts from now on."""
        if self._objective.max_latency_ms is not None:
            slower = max(self(genotype), self._cost(genotype), key=lambda cost: cost[LATENCY])
            self._known[genotype.key] = slower
        return self._objective.violation(self(genotype)) is None

    def _fits(self, genotype: Genotype) -> bool:
        return self._used(genotype) <= 1

    def _used(self, genotype: Genotype) -> float:
        """Returns the share of the limit that binds; infinity where one is broken or a latency has no margin."""
        try:
            cost = self(genotype)
        except EvaluationFailed:
            return math.inf  # no memory for it; what cannot be measured at all is said of the one that is chosen
        if self._objective.violation(_with_margin(cost)) is not None:
            return math.inf
        return max(cost[name] / limit for name, limit in self._objective.limits.items())


def _with_margin(cost: Mapping[str, float]) -> dict[str, float]:
    margin = margin_of(cost)
    return {name: value / (1 - margin) if name == LATENCY else value for name, value in cost.items()}
