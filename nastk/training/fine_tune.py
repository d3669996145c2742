"""A short training of a network that is there already, stored like a transfer: killed and called again, it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from nastk.data.images import DataSource, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.seeds import derive_seed
from nastk.training.batches import Batches
from nastk.training.checkpoint import Checkpoints, find_checkpoint
from nastk.training.device import choose_device, place
from nastk.training.distillation import Lesson, lesson
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.fit import fit
from nastk.training.module import Classifier
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.settings import TrainingSettings
from nastk.training.taught_batches import TaughtBatches, taught_batches
from nastk.training.teacher import Teacher
from nastk.training.transfer import Progress


def fine_tune(
    network: nn.Module,
    images: ImageSet,
    normalisation: Normalisation,
    data: DataSource,
    settings: TrainingSettings,
    folder: Path,
    *,
    key: str,
    progress: Progress | None = None,
    teacher: Teacher | None = None,
    unlabelled: ImageSet | None = None,
    ratio: float = 1.0,
) -> float:
    """Trains `network` in place; it ends on the CPU.

    Args:
        network: from normalised images to logits.
        images: it is trained on.
        normalisation: that the network knows.
        data: where the images are from; says whether they may be mirrored and how far shifted.
        settings: how.
        folder: where checkpoints are; the caller removes them when all is stored.
        key: of what is trained, for the seeds.
        progress: is called after each epoch with epochs done, epochs in all and the mean training loss.
        teacher: whose distributions it is trained towards; None for the labels.
        unlabelled: images without labels that a teacher answers to; None for none.
        ratio: of these a step, for each labelled one.

    Returns:
        The mean training loss of the last epoch, whenever that was.

    Raises:
        UserError: fewer images than a batch, no such device, or the training diverged or ran out of memory.
    """
    device = choose_device(settings.device)
    seed = derive_seed(settings.seed, key, "fine-tune")
    try:
        with threads_set(settings.threads, data.size), isolated_rng(seed, device), memory_errors_named():
            place(network, device)
            cpu = torch.device("cpu")
            there = images.to(cpu), None if unlabelled is None else unlabelled.to(cpu)  # decoded now, where they fit
            own: dict[str, Any] = {"ratio": ratio, "seed": seed, "device": device}
            batches = taught_batches(*there, normalisation, data, settings, **own)
            taught = None if teacher is None else lesson(teacher, normalisation, device)
            return _trained(network, batches, settings, folder, device, progress, taught)
    except TrainingError as error:
        raise UserError(f"fine-tuning {folder}: {error.reason}") from None
    finally:
        network.cpu()


def _trained(
    network: nn.Module,
    batches: Batches | TaughtBatches,
    settings: TrainingSettings,
    folder: Path,
    device: torch.device,
    progress: Progress | None,
    taught: Lesson | None,
) -> float:
    """Trains from the last checkpoint on; returns the mean training loss of the last epoch."""

    def after_epoch(epoch: int, loss: float) -> None:
        checkpoints.write(module.trainer)
        if progress is not None:
            progress(epoch, settings.epochs, loss)

    module = Classifier(network, batches, settings, seed=batches.seed, after_epoch=after_epoch, lesson=taught)
    checkpoints = Checkpoints(folder, dict, minutes=10)
    found = find_checkpoint(folder)
    fit(module, device, [checkpoints], found[0] if found is not None else None)
    if not all(weight.isfinite().all() for weight in network.parameters()):
        raise TrainingError("diverged: weights are no finite numbers after the last step")
    return module.train_loss
