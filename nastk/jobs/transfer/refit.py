"""The last training of a transfer: the network that ranks first, on all images, those held out among them.

What was held out has chosen the network and the length of its training; nothing is left for it to decide, and more
images may teach more. That is usual where images are few (Hastie, Tibshirani, Friedman, "The Elements of Statistical
Learning", 2nd edition, 2009, section 7.10.1: the chosen model is fitted to all data).
"""

from __future__ import annotations

import dataclasses
import functools
import sys

from nastk.data.images import DataSource
from nastk.jobs.transfer.failures import again, attempted
from nastk.jobs.transfer.own_teacher import trained_alone
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.trainings import Sized, Trainings
from nastk.runs.failed import FAILED
from nastk.runs.refit import refit_place
from nastk.training.transfer import METRICS


def has_held_out(data: DataSource) -> bool:
    """Says whether the images that choose a network are taken from the training images; some sets have others."""
    return data.validation_images() is None


def refit(plan: TransferPlan, trainings: Trainings, one: Sized) -> None:
    """Trains a ranked network on all images in `<run>/refit/<key>`, unless that was done; killed, it goes on.

    As many epochs by the same recipe; first weights and teacher are the same too. Where it cannot be trained, which is
    said, the network stays as it was ranked.

    Args:
        plan: of the transfer.
        trainings: in which it was trained without the images held out.
        one: the network.
    """
    if not plan.refit or not has_held_out(plan.data):
        return
    place = refit_place(one.place)
    if not (place / METRICS).exists() and not (place / FAILED).exists():
        images = len(plan.data.train())
        print(f"transfer: {one.told} ranks first: trained once more, on all {images:,} images", file=sys.stderr)
    recipe, initial = trainings.made_of(one)
    recipe = dataclasses.replace(recipe, holdout=False)
    given = (f"{one.told} on all images", one.genotype, one.network, plan, recipe, place, trainings.teacher, initial)
    _, reason = attempted(place, functools.partial(trained_alone, *given))
    if reason is not None:
        told = f"{one.told} ships as it was ranked: on all images its training failed: {reason}"
        print(f"warning: {told}; {again(place)}", file=sys.stderr)
