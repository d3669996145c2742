"""Settings that a search chooses by itself: pixels, stem, batch, epochs and learning rate, by the images and limits."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import load_yaml, plain
from nastk.data.images import DataSource
from nastk.data.sources.decoded import DecodedSource
from nastk.data.subsets import draw_parts
from nastk.deploy.cost.sources import PredictorLatency
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.free_memory import free_memory
from nastk.genotype import Genotype
from nastk.jobs.parts import make_costing, make_data, make_latency, make_objective, make_space
from nastk.networks import NetworkConfig
from nastk.networks.config import field_names
from nastk.networks.stems import fitted_stem, smaller_inputs
from nastk.spaces import random_genotype
from nastk.training.device import choose_device
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.fitted import LEAST_BATCH, SEARCH, fitted_batch, fitted_epochs, fitted_rate
from nastk.training.step_memory import step_bytes

RESIZE, STEM = "data.resize", "evaluator.network.stem"
BATCH, EPOCHS, RATE = "evaluator.batch", "evaluator.epochs", "evaluator.learning_rate"
# What batches, images and everything else in the process take of the memory is left out of a step's share.
SHARE = 0.7
DRAWN = 3


def fitted_search(config: DictConfig, folder: Path | None = None) -> DictConfig:
    """Returns the configuration with a value for every setting that is null, for the search to choose.

    They are chosen once: a run that was begun keeps those in its config.yaml, and so do its workers and later steps.

    Args:
        config: of a search.
        folder: of the run; None or one without config.yaml for a new one.

    Raises:
        UserError: the images are not what they should be.
    """
    open_settings = [name for name in (RESIZE, STEM, BATCH, EPOCHS, RATE) if _is_open(config, name)]
    trains = isinstance(config.get("evaluator"), DictConfig) and "network" in config.evaluator
    if config.get("data") is None or not trains or not open_settings:
        return config
    before = _begun(folder)
    if before is not None:
        known = {name: OmegaConf.select(before, name) for name in open_settings}
        open_settings = [name for name in open_settings if known[name] is None and name != RESIZE]
        config = _with(config, known)
        if not open_settings:
            return config
    return _chosen(config, open_settings)


def _is_open(config: DictConfig, name: str) -> bool:
    group, _, field = name.rpartition(".")
    node = OmegaConf.select(config, group)
    return isinstance(node, DictConfig) and field in node and node.get(field) is None


def _begun(folder: Path | None) -> DictConfig | None:
    """Returns the configuration of a run that was begun; a damaged one is for `record_config` to name."""
    path = folder / "config.yaml" if folder is not None else None
    if path is None or not path.exists():
        return None
    try:
        return load_yaml(path)
    except UserError:
        return None


def _with(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    changed = OmegaConf.masked_copy(config, list(config))
    for name, value in values.items():
        OmegaConf.update(changed, name, value, force_add=True)
    return changed


def _chosen(config: DictConfig, names: list[str]) -> DictConfig:
    data = make_data(config)
    resizable = RESIZE in names and isinstance(data, DecodedSource)
    stem = None if STEM in names else OmegaConf.select(config, STEM)
    counted = BATCH in names or EPOCHS in names
    images = len(draw_parts(data, config.seed).train) if counted else 0
    batch = fitted_batch(images, data.size) if BATCH in names else config.evaluator.batch
    found: dict[str, Any] = {}
    if resizable or STEM in names:
        choices = smaller_inputs(data.size, stem, resizable) if stem != "imagenet" else [(data.size, stem)]
        judge = Judge(config, data, min(batch, LEAST_BATCH) if BATCH in names else batch)
        size, chosen_stem = choices[first_that_fits(judge, choices)] if len(choices) > 1 else choices[0]
        found |= {RESIZE: size} if resizable else {}
        found |= {STEM: chosen_stem} if STEM in names else {}
    if BATCH in names:
        network = found.get(STEM, stem) or fitted_stem(data.size)
        judge = Judge(config, data, batch)
        while batch > LEAST_BATCH and not judge.has_memory(found.get(RESIZE, data.size), network):
            batch //= 2
            judge = Judge(config, data, batch)
        found[BATCH] = batch
    if EPOCHS in names:
        found[EPOCHS] = fitted_epochs(images, batch, found.get(RESIZE, data.size), SEARCH)
    if RATE in names:
        found[RATE] = fitted_rate(batch, SEARCH) if BATCH in names else SEARCH.rate
    return _with(config, found)


def first_that_fits(judge: Judge, choices: list[tuple[int, str]]) -> int:
    """Returns the first of the choices that fits, the last where none does; each that follows costs less."""
    if judge.fits(*choices[0]):
        return 0
    low, high = 1, len(choices) - 1
    while low < high:
        middle = (low + high) // 2
        if judge.fits(*choices[middle]):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass
class Judge:
    """Says of an image size and a stem whether most candidates would meet the limits and fit into memory.

    Attributes:
        config: of the search.
        data: its images.
        batch: images a step.
    """

    config: DictConfig
    data: DataSource
    batch: int

    def fits(self, size: int, stem: str) -> bool:
        """Says both, by three random candidates."""
        return self.has_memory(size, stem) and self._meets_limits(size, stem)

    def has_memory(self, size: int, stem: str) -> bool:
        """Says whether a step of the largest of them takes no more than its share of the free memory."""
        free = self._free
        if free is None:
            return True
        network = self._network(size, stem)
        return max(step_bytes(genotype, network, self.batch) for genotype in self._genotypes) <= SHARE * free

    def _meets_limits(self, size: int, stem: str) -> bool:
        objective = make_objective(self.config)
        if not objective.limits or isinstance(make_latency(self.config), PredictorLatency):
            return True
        costing, network = make_costing(self.config), self._network(size, stem)
        broken = 0
        for genotype in self._genotypes:
            try:
                with memory_errors_named():
                    broken += objective.violation(costing.cost(genotype, network)) is not None
            except (UserError, TrainingError, EvaluationFailed):
                return True  # what cannot be measured is said where the search measures it
            if broken > DRAWN // 2:
                return False
        return True

    @cached_property
    def _genotypes(self) -> list[Genotype]:
        rng, space = random.Random(self.config.seed), make_space(self.config)
        return [random_genotype(space, rng) for _ in range(DRAWN)]

    @cached_property
    def _free(self) -> float | None:
        free = free_bytes(self.config.evaluator.get("device", "auto"))
        return None if free is None else free / parallel_steps(self.config)

    def _network(self, size: int, stem: str) -> NetworkConfig:
        return candidate_network(self.config, self.data, size=size, stem=stem)


def candidate_network(config: DictConfig, data: DataSource, **chosen: Any) -> NetworkConfig:
    """Returns the network of a search's candidates; what the evaluator will refuse is left out."""
    known = field_names()
    fields: Mapping[str, Any] = plain(config.evaluator.get("network")) or {}
    facts = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    auxiliary = {"auxiliary": bool(config.evaluator.get("auxiliary"))}
    given = {name: value for name, value in fields.items() if name in known and value is not None}
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
