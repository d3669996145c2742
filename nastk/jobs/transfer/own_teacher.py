"""A teacher of the run's own: the first network at a multiple of its width, trained first and by the same recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.genotype import Genotype
from nastk.genotype.skeleton import SKELETONS
from nastk.jobs.transfer.fitting import fitted_recipe, with_head
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.progress import TransferProgress
from nastk.networks import NetworkConfig
from nastk.training.initial import Initial
from nastk.training.teacher import Teacher, trained_teacher
from nastk.training.transfer import METRICS, TransferSettings, train_final

FOLDER = "teacher"


def wider(genotype: Genotype, network: NetworkConfig, times: int) -> NetworkConfig:
    """Returns the network at so many times its width; raises UserError where that is more than there can be."""
    skeleton = SKELETONS[genotype.skeleton]
    sizes = skeleton.complete(network.sizes)
    name = skeleton.width.name
    return dataclasses.replace(network, sizes={**sizes, name: skeleton.width.checked(times * sizes[name])})


def own_teacher(
    folder: Path, plan: TransferPlan, recipe: TransferSettings, genotype: Genotype, network: NetworkConfig
) -> tuple[TransferSettings, Teacher]:
    """Trains the teacher of a run in `<run>/teacher/<key>`, unless that was done; killed, it goes on like a transfer.

    It sees the images that its students are trained on, and none of those that are held out of them.

    Args:
        folder: of the run.
        plan: of the transfer.
        recipe: of the students.
        genotype: of the first of them.
        network: its size.

    Returns:
        The recipe with the teacher's place in it, and the teacher.

    Raises:
        UserError: as `train_final`.
    """
    place = folder / FOLDER / genotype.key
    wide = with_head(genotype, wider(genotype, network, recipe.teacher_width), place)
    alone = fitted_recipe(plan, dataclasses.replace(recipe, teacher=None), genotype, wide, place)
    told = f"teacher {genotype.key[:8]}, {SKELETONS[genotype.skeleton].told(wide.sizes)}"
    trained_alone(told, genotype, wide, plan, alone, place)
    return dataclasses.replace(recipe, teacher=str(place)), trained_teacher(place)


def trained_alone(
    told: str,
    genotype: Genotype,
    network: NetworkConfig,
    plan: TransferPlan,
    recipe: TransferSettings,
    place: Path,
    teacher: Teacher | None = None,
    initial: Initial | None = None,
) -> Mapping[str, Any]:
    """Trains a network that is no candidate with a count of its own, unless that was done; returns its metrics.

    Args:
        told: what it is called for people.
        genotype, network, recipe, place, teacher, initial: as for `train_final`.
        plan: of the transfer.

    Raises:
        UserError: as `train_final`.
    """
    known = " (trained before)" if (place / METRICS).exists() else ""
    with TransferProgress(recipe.epochs, quiet=bool(known)) as progress:
        progress.begin(told, recipe.epochs)
        given = (genotype, network, plan.data, recipe, place, progress.epoch, plan.run)
        found = train_final(*given, initial=initial, teacher=teacher)
        held_out = found.get("validation_accuracy")
        seen = f"accuracy {held_out:.4f} on held-out images, " if held_out is not None else ""
        line = f"{seen}{found['params']:,} parameters, {found['seconds']:.0f} s of training{known}"
        progress.end(told, recipe.epochs, found, f"transfer: {told}: {line}")
    return found
