"""What a transfer chooses by itself: batch, epochs and rate by the images, precision and head by the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from nastk.data.subsets import hold_out
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.precision import in_own_precision
from nastk.networks import NetworkConfig, build_network, count_parameters
from nastk.networks.config import AUXILIARY_WIDTH
from nastk.outside import read_json
from nastk.training.fitted import TRANSFER, USUAL_BATCH, fitted_batch, fitted_epochs, fitted_rate
from nastk.training.recipe import TIMED
from nastk.training.record import RECORD
from nastk.training.transfer import TransferSettings

# The head may have half of the network's own parameters, about what the paper's has for CIFAR.
HEAD_SHARE = 0.5
WIDTHS = (AUXILIARY_WIDTH, 576, 384, 288, 192, 144, 96, 72, 48, 24)


def fitted_recipe(
    plan: TransferPlan, recipe: TransferSettings, genotype: Genotype, network: NetworkConfig, place: Path
) -> TransferSettings:
    """Returns the recipe with what is left to choose: as the training of `place` began, or by images and timed steps.

    Args:
        plan: says what is left, and which images there are.
        recipe: how to train.
        genotype: the cells.
        network: its size.
        place: the training's folder.

    Raises:
        UserError: the images are not what they should be, or a record is damaged.
    """
    automatic = [*plan.automatic, *(["precision"] if recipe.precision == TIMED else [])]
    if not automatic:
        return recipe
    before = _begun(place).get("settings")
    known = before if isinstance(before, dict) else {}
    if known.get("optimizer") == recipe.optimizer and all(name in known for name in plan.automatic):
        return dataclasses.replace(recipe, **{name: known[name] for name in automatic if name in known})
    train = hold_out(plan.data, recipe.seed)[0] if recipe.holdout else plan.data.train()
    fitted = _by_images(plan, recipe, len(train))
    return in_own_precision(fitted, len(train), genotype, network, place)


def _by_images(plan: TransferPlan, recipe: TransferSettings, images: int) -> TransferSettings:
    """Returns the recipe with the batch, epochs and rate that suit so many images, where they are left to choose."""
    batch = recipe.batch
    if "batch" in plan.automatic:
        batch = fitted_batch(images, plan.data.size)
        devices = plan.run.devices
        batch = max(batch - batch % devices, 2 * devices) if devices > 1 else batch
    found: dict[str, Any] = {
        "batch": batch,
        "epochs": fitted_epochs(images, batch, plan.data.size, TRANSFER),
        "learning_rate": fitted_rate(batch if "batch" in plan.automatic else USUAL_BATCH, TRANSFER, recipe.optimizer),
    }
    return dataclasses.replace(recipe, **{name: found[name] for name in plan.automatic})


def with_head(genotype: Genotype, network: NetworkConfig, place: Path) -> NetworkConfig:
    """Returns the network with an auxiliary head in proportion: as the training of `place` began, or of a size chosen.

    The head has at most half as many parameters as the network without it; at NASNet's own size it is NASNet's.

    Args:
        genotype: the cells.
        network: with or without such a head.
        place: the training's folder.
    """
    if not network.auxiliary:
        return network
    before = _begun(place).get("network")
    if isinstance(before, dict):
        return dataclasses.replace(network, auxiliary_width=before.get("auxiliary_width", AUXILIARY_WIDTH))
    for width in WIDTHS:
        wide = dataclasses.replace(network, auxiliary_width=width)
        with torch.device("meta"):
            built = build_network(genotype, wide)
        own = count_parameters(built, auxiliary=False)
        if count_parameters(built, auxiliary=True) - own <= HEAD_SHARE * own:
            break
    return wide


def _begun(place: Path) -> dict[str, Any]:
    """Returns what the training of a folder is made of, nothing where none was begun or its record is damaged."""
    try:
        found: Any = read_json(place / RECORD) if (place / RECORD).exists() else None
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}
