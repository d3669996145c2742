"""In which precision a search trains its candidates: one for all of them, chosen once by timed steps."""

from __future__ import annotations

import dataclasses
import sys

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import settings
from nastk.data.subsets import draw_parts
from nastk.jobs.candidate_input import candidate_network, few_candidates, parallel_steps, with_values
from nastk.jobs.parts import make_data, shares_weights, without_automatic
from nastk.jobs.search_parts import SearchParts
from nastk.training.precision import FASTER, LEAST_STEPS, StepTimes, left_to_timing, step_times
from nastk.training.recipe import TIMED
from nastk.training.settings import TrainingSettings

PRECISION = "evaluator.precision"


def in_one_precision(config: DictConfig, parts: SearchParts, recorded: DictConfig | None) -> DictConfig:
    """Returns a search's configuration with the precision that all candidates are trained in, where it is "timed".

    Candidates are compared with each other, so they share one; steps of three random ones are timed, the choice is told
    and recorded in config.yaml, which workers and later steps read. A run that was begun goes on as it was. Drivers
    that share a study would each choose for themselves: there it stays so, which is fp32 on a CPU.

    Args:
        config: of the search, batch and epochs chosen.
        parts: of it.
        recorded: the configuration that the run folder holds, None for a new run.
    """
    if OmegaConf.select(config, PRECISION) != TIMED or shares_weights(config):
        return config
    if recorded is not None:
        before = OmegaConf.select(recorded, PRECISION)
        return config if before is None else with_values(config, {PRECISION: before})
    if config.get("data") is None or "network" not in config.evaluator or parts.storage.sharing is not None:
        return config
    times = _times(config, parts)
    if times is None:
        return config
    told = f"bf16 is {times.faster:.2f} times as fast as fp32 here, by timed steps"
    print(f"search: candidates are trained in {times.precision}: {told} ({FASTER:g} is wanted)", file=sys.stderr)
    return with_values(config, {PRECISION: times.precision})


def _times(config: DictConfig, parts: SearchParts) -> StepTimes | None:
    """Returns what a step of three random candidates takes together; None where that is not to be measured."""
    recipe: TrainingSettings = settings(TrainingSettings, without_automatic(config.evaluator)[0], "evaluator.")
    if not left_to_timing(recipe):
        return None
    data = make_data(config)
    if recipe.epochs * (len(draw_parts(data, config.seed).train) // recipe.batch) < LEAST_STEPS:
        return None
    if parallel_steps(config) > 1:  # as workers train
        recipe = dataclasses.replace(recipe, threads=1)
    network = candidate_network(config, data)
    found = [step_times(one, network.of(one), recipe) for one in few_candidates(config, parts.space)]
    whole = [one for one in found if one is not None]
    return StepTimes(sum(one.fp32 for one in whole), sum(one.bf16 for one in whole)) if whole else None
