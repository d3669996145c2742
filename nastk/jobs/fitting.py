"""Settings that a search chooses by itself: pixels, stem, batch, epochs and learning rate, by the images and limits."""

from __future__ import annotations

import random
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nastk.data.images import DataSource
from nastk.data.sources.decoded import DecodedSource
from nastk.data.subsets import draw_parts
from nastk.genotype.skeleton import Skeleton, skeleton_named
from nastk.jobs.candidate_input import SIDE, SIZES, FitCheck, Input, first_that_fits, is_open, own_stems, with_values
from nastk.jobs.parts import make_data, shares_weights
from nastk.jobs.search_parts import SearchParts
from nastk.networks.stems import fitted_stem, smaller_inputs
from nastk.spaces import random_genotype
from nastk.training.fitted import LEAST_BATCH, SEARCH, SUPERNET, USUAL_BATCH, fitted_batch, fitted_epochs, fitted_rate

RESIZE, STEM = "data.resize", "evaluator.network.stem"
BATCH, EPOCHS, RATE = "evaluator.batch", "evaluator.epochs", "evaluator.learning_rate"
# Widths of candidates of stages to try where most of them would break a limit at the least image size.
NARROWER = (0.75, 0.5, 0.375, 0.25, 0.125)


def fitted_search(config: DictConfig, parts: SearchParts, recorded: DictConfig | None) -> DictConfig:
    """Returns the configuration with a value for every setting that is null, for the search to choose.

    They are chosen once: a run that was begun keeps those in its config.yaml, and so do its workers and later steps.

    Args:
        config: of a search.
        parts: of it.
        recorded: the configuration that the run folder holds, None for a new run.

    Raises:
        UserError: the images are not what they should be.
    """
    trains = isinstance(config.get("evaluator"), DictConfig) and "network" in config.evaluator
    if config.get("data") is None or not trains:
        return config
    sizes = [SIZES[name] for name in _skeleton(config, parts).names]
    open_settings = [name for name in (RESIZE, STEM, *sizes, SIDE, BATCH, EPOCHS, RATE) if is_open(config, name)]
    if not open_settings:
        return config
    if recorded is not None:
        known = {name: OmegaConf.select(recorded, name) for name in open_settings}
        open_settings = [name for name in open_settings if known[name] is None and name != RESIZE]
        config = with_values(config, known)
        if not open_settings:
            return config
    return _chosen(config, parts, open_settings)


def _chosen(config: DictConfig, parts: SearchParts, names: list[str]) -> DictConfig:
    data, skeleton = make_data(config), _skeleton(config, parts)
    counted = BATCH in names or EPOCHS in names
    images = len(draw_parts(data, config.seed).train) if counted else 0
    batch = fitted_batch(images, data.size) if BATCH in names else config.evaluator.batch
    inputs = _inputs(config, names, data, skeleton)
    check = FitCheck(config, parts, data, min(batch, LEAST_BATCH) if BATCH in names else batch)
    taken = inputs[first_that_fits(check, inputs)] if len(inputs) > 1 else inputs[0]
    open_sizes = {SIZES[name]: value for name, value in taken.sizes if SIZES[name] in names}
    found: dict[str, Any] = {RESIZE: taken.size, STEM: taken.stem, SIDE: taken.size, **open_sizes}
    found = {name: value for name, value in found.items() if name in names}
    if RESIZE in names and not isinstance(data, DecodedSource):
        del found[RESIZE]
    if BATCH in names:
        check = FitCheck(config, parts, data, batch)
        while batch > LEAST_BATCH and not check.has_memory(taken):
            batch //= 2
            check = FitCheck(config, parts, data, batch)
        found[BATCH] = batch
    usual = SUPERNET if shares_weights(config) else SEARCH
    if EPOCHS in names:
        found[EPOCHS] = fitted_epochs(images, batch, taken.size, usual)
    if RATE in names:
        chosen = batch if BATCH in names else USUAL_BATCH
        found[RATE] = fitted_rate(chosen, usual, config.evaluator.get("optimizer", "sgd"))
    return with_values(config, found)


def _skeleton(config: DictConfig, parts: SearchParts) -> Skeleton:
    """Returns the skeleton of the space's candidates."""
    return skeleton_named(random_genotype(parts.space, random.Random(config.seed)).skeleton)


def _inputs(config: DictConfig, names: list[str], data: DataSource, skeleton: Skeleton) -> list[Input]:
    """Returns what candidates may be built for, the one to take where nothing speaks against it first.

    Networks of cells differ in the image size and the stem; networks of stages, whose stems are the space's, in the
    image size, and at the least size in the width, where each is not brought to the budget by itself.
    """
    resizable = RESIZE in names and isinstance(data, DecodedSource)
    given = {name: OmegaConf.select(config, setting) for name, setting in SIZES.items()}
    sizes = skeleton.complete({name: value for name, value in given.items() if value is not None}, searched=True)
    stem = None if STEM in names else OmegaConf.select(config, STEM)
    if skeleton.cells and own_stems(config):  # the images alone are left to choose
        stem = fitted_stem(data.size) if stem is None else stem
    if skeleton.cells:
        known = [(data.size, stem)] if stem == "imagenet" else smaller_inputs(data.size, stem, resizable)
        return [Input(size, name, tuple(sizes.items())) for size, name in known]
    plain_stem = stem or "cifar"
    found = [
        Input(size, plain_stem, tuple(sizes.items())) for size, _ in smaller_inputs(data.size, plain_stem, resizable)
    ]
    width = skeleton.width.name
    if given[width] is None and not config.get("at_budget"):
        narrower = [{**sizes, width: factor} for factor in NARROWER]
        found += [Input(found[-1].size, plain_stem, tuple(one.items())) for one in narrower]
    return found
