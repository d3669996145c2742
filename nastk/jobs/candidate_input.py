"""Which image size, stem and width most candidates of a search can be built for: found by building three of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import plain
from nastk.data.images import DataSource
from nastk.deploy.cost.sources import PredictorLatency
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.free_memory import free_memory
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.skeleton import SKELETONS, Number
from nastk.genotype.stages import StageGenotype
from nastk.genotype.stems import STEMS
from nastk.jobs.parts import make_space
from nastk.jobs.search_parts import SearchParts
from nastk.networks import NetworkConfig
from nastk.networks.config import field_names
from nastk.spaces import Space, Value, random_genotype
from nastk.training.device import choose_device
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.step_memory import step_bytes

SIZES = {name: f"evaluator.network.{name}" for skeleton in SKELETONS.values() for name in skeleton.names}
SIDE = "space.size"  # of a space that asks for it
# What batches, images and everything else in the process take of the memory is left out of a step's share.
SHARE = 0.7
DRAWN = 3
# Of the width of candidates that are brought to the budget: where most must be narrower still, images are smaller.
HALF = 0.5


class Input(NamedTuple):
    """What candidates are built for: pixels a side, stem, and depth and width by name."""

    size: int
    stem: str
    sizes: tuple[tuple[str, Number], ...]


def is_open(config: DictConfig, name: str) -> bool:
    """Says whether a configuration has a setting, and it is null."""
    group, _, field = name.rpartition(".")
    node = OmegaConf.select(config, group)
    return isinstance(node, DictConfig) and field in node and node.get(field) is None


def largest_genotype(space: Space, rng: random.Random) -> Genotype:
    """Returns a random genotype with the largest maps there are: the highest resolution, the stem of least stride."""

    def choose(name: str, options: Sequence[Value]) -> Value:
        if name == "resolution":
            return max(options)
        if name == "stem":
            return min(options, key=STEMS.index)
        return rng.choice(options)

    return space.genotype(choose)


def own_stems(config: DictConfig) -> list[str]:
    """Returns the stems that candidates of cells choose from, none where they all have the search's."""
    wanted = OmegaConf.select(config, "space.stem")
    names = [wanted] if isinstance(wanted, str) else list(wanted or [])
    return [name for name in names if isinstance(name, str)]  # a space of stages has a row of stages there


def with_values(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Returns the configuration with other values of some settings."""
    changed = OmegaConf.masked_copy(config, list(config))
    for name, value in values.items():
        OmegaConf.update(changed, name, value, force_add=True)
    return changed


def first_that_fits(check: FitCheck, choices: list[Input]) -> int:
    """Returns the first of the choices that fits, the last where none does; each that follows costs less."""
    if check.fits(choices[0]):
        return 0
    low, high = 1, len(choices) - 1
    while low < high:
        middle = (low + high) // 2
        if check.fits(choices[middle]):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass
class FitCheck:
    """Says of an image size, a stem and sizes whether most candidates would meet the limits and fit into memory.

    Attributes:
        config: of the search.
        parts: of it.
        data: its images.
        batch: images a step.
    """

    config: DictConfig
    parts: SearchParts
    data: DataSource
    batch: int

    def fits(self, given: Input) -> bool:
        """Says both, by three random candidates."""
        return self.has_memory(given) and self._meets_limits(given)

    def has_memory(self, given: Input) -> bool:
        """Says whether a step of the largest of them takes no more than its share of the free memory."""
        free = self._free
        if free is None:
            return True
        network = self._network(given)
        drawn = self._genotypes(given.size, largest_genotype)
        return max(step_bytes(one, network.of(one), self.batch) for one in drawn) <= SHARE * free

    def _meets_limits(self, given: Input) -> bool:
        objective = self.parts.objective
        if not objective.limits or isinstance(self.parts.latency, PredictorLatency):
            return True
        costing, network = self.parts.costing, self._network(given)
        broken = 0
        for genotype in self._genotypes(given.size):
            try:
                with memory_errors_named():
                    broken += objective.violation(costing.cost(genotype, network.of(genotype))) is not None
            except (UserError, TrainingError, EvaluationFailed):
                return True  # what cannot be measured is said where the search measures it
            if broken > DRAWN // 2:
                return False
        return True

    def _genotypes(
        self, size: int, draw: Callable[[Space, random.Random], Genotype] = random_genotype
    ) -> list[Genotype]:
        config = self.config
        space = make_space(with_values(config, {SIDE: size})) if is_open(config, SIDE) else self.parts.space
        return few_candidates(config, space, draw)

    @cached_property
    def _free(self) -> float | None:
        free = free_bytes(self.config.evaluator.get("device", "auto"))
        return None if free is None else free / parallel_steps(self.config)

    def _network(self, given: Input) -> NetworkConfig:
        return candidate_network(self.config, self.data, size=given.size, stem=given.stem, sizes=dict(given.sizes))


def few_candidates(
    config: DictConfig, space: Space, draw: Callable[[Space, random.Random], Genotype] = random_genotype
) -> list[Genotype]:
    """Returns random candidates such as a search will have, always the same; narrower ones where all are sized."""
    rng = random.Random(config.seed)
    drawn = [draw(space, rng) for _ in range(DRAWN)]
    if not config.get("at_budget"):
        return drawn
    half = Scaling(width=HALF)
    return [half.genotype(one) if isinstance(one, StageGenotype) else one for one in drawn]


def candidate_network(config: DictConfig, data: DataSource, **chosen: Any) -> NetworkConfig:
    """Returns the network of a search's candidates; what the evaluator will refuse is left out."""
    known = field_names()
    fields: Mapping[str, Any] = plain(config.evaluator.get("network")) or {}
    facts = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    auxiliary = {"auxiliary": bool(config.evaluator.get("auxiliary"))}
    given = {
        name: value
        for name, value in fields.items()
        if name in known and value is not None and not ("sizes" in chosen and name in SIZES)
    }
    return NetworkConfig(**{**given, **facts, **auxiliary, **chosen})


def free_bytes(device: str) -> int | None:
    """Returns the memory that is free where candidates are trained: the GPU's, or the system's."""
    chosen = choose_device(device)
    return int(torch.cuda.mem_get_info(chosen)[0]) if chosen.type == "cuda" else free_memory()


def parallel_steps(config: DictConfig) -> int:
    """Returns how many candidates may take a step at once in one memory, at most."""
    parallel = config.executor.get("parallel", 1)
    if parallel is None:
        return os.cpu_count() or 1
    return parallel if isinstance(parallel, int) and parallel > 0 else 1  # another is refused by the executor
