"""Training the shared weights: each step is an ordinary one, of another network of the space."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nastk.genotype.stages import StageGenotype
from nastk.seeds import derive_seed
from nastk.spaces import Space, StageSpace, random_genotype
from nastk.supernet.shared import SharedWeights, States
from nastk.training.batches import Batches
from nastk.training.class_weights import weighted_loss
from nastk.training.failure import TrainingError
from nastk.training.kept_memory import memory_kept
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.module import clip_norm
from nastk.training.recipe import Recipe
from nastk.training.seeds import seed_step

CHECKED = 16


@dataclass(eq=False)
class Progress:
    """How far a training of shared weights is.

    Attributes:
        shared: the weights.
        states: what the optimizer remembers of each.
        losses: mean training loss of each epoch that is done.
    """

    shared: SharedWeights
    states: States
    losses: list[float]


AfterStep = Callable[[float], None]
AfterEpoch = Callable[[Progress], None]


@memory_kept()
def train_shared(
    progress: Progress,
    space: StageSpace,
    batches: Batches,
    recipe: Recipe,
    *,
    seed: int,
    class_weights: Tensor | None = None,
    after_step: AfterStep = lambda _: None,
    after_epoch: AfterEpoch = lambda _: None,
) -> None:
    """Trains the shared weights for the epochs of the recipe that are left.

    In each step a network is drawn uniformly and trained on one batch (Guo et al., ECCV 2020), as the step alone says.

    Args:
        progress: is changed in place.
        space: of the networks.
        batches: of the size that the data have.
        recipe: of every step.
        seed: draws networks and what they draw.
        class_weights: see `weighted_loss`.
        after_step, after_epoch: are called with the loss, and with the progress.

    Raises:
        TrainingError: diverged.
    """
    while len(progress.losses) < recipe.epochs:
        batches.epoch, total = len(progress.losses), 0.0
        for number, (images, labels, *_) in enumerate(batches):
            step = batches.epoch * len(batches) + number
            rate = recipe.rate(step, recipe.epochs * len(batches))
            seed_step(derive_seed(seed, "supernet step", step), batches.device)
            loss = _step(progress, drawn(space, seed, step), (images, labels), recipe, rate, class_weights)
            total += loss
            after_step(loss)
        if not math.isfinite(total):
            raise TrainingError(f"diverged: the training loss is {total} in epoch {batches.epoch + 1}")
        progress.losses.append(total / len(batches))
        after_epoch(progress)


def check_holds(shared: SharedWeights, space: Space) -> None:
    """Raises UserError where one of some networks of the space has no part in the weights, before any is trained."""
    assert isinstance(space, StageSpace)
    for step in range(CHECKED):
        shared.holds(drawn(space, 0, step))


def drawn(space: StageSpace, seed: int, step: int) -> StageGenotype:
    """Returns the network that a step trains."""
    genotype = random_genotype(space, random.Random(derive_seed(seed, "supernet path", step)))
    assert isinstance(genotype, StageGenotype)
    return genotype


def _step(
    progress: Progress,
    genotype: StageGenotype,
    batch: tuple[Tensor, Tensor],
    recipe: Recipe,
    rate: float,
    class_weights: Tensor | None,
) -> float:
    lent = progress.shared.lend(genotype)
    x, y = batch
    lent.network.train()
    with quick_forms(lent.network, x.device):
        logits = lent.network(brought_to(x, progress.shared.config.of(genotype).size))
        loss = weighted_loss(logits, y, class_weights, recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip:
        clip_norm(lent.network.parameters(), recipe.clip)
    optimizer = recipe.make_optimizer(lent.network)
    for group in optimizer.param_groups:
        group["lr"] = rate
    lent.step(optimizer, progress.states)
    return float(loss.detach())


def brought_to(images: Tensor, size: int) -> Tensor:
    """Returns a batch at another resolution, as elastic networks are trained (Cai et al., ICLR 2020)."""
    if images.shape[-1] == size:
        return images
    smaller = interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return smaller.contiguous(memory_format=torch.channels_last)
