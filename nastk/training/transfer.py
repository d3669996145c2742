"""The final training: a chosen genotype, larger, on all training images; the test images are scored once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nastk.data.images import DataSource
from nastk.data.normalisation import Normalisation, statistics
from nastk.data.sized import data_at
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.outside import read_object
from nastk.progress import doing
from nastk.seeds import derive_seed
from nastk.training.answers import kept_beside
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches
from nastk.training.checkpoint import Checkpoints, find_checkpoint, remove_checkpoints
from nastk.training.class_weights import class_weights
from nastk.training.device import choose_device, place
from nastk.training.distillation import Lesson, lesson
from nastk.training.distributed import EndAtOnce, SameStatistics
from nastk.training.failure import TrainingError, TrainingFailed, memory_errors_named
from nastk.training.fit import fit
from nastk.training.initial import Initial, begin_with
from nastk.training.job import Job
from nastk.training.launcher import remove_job, train_in_ranks
from nastk.training.outcome import METRICS, score_on_the_way, score_share, write_outcome
from nastk.training.recipe import BF16, FP32
from nastk.training.run_settings import RunSettings
from nastk.training.rungs import Rung, begin_rungs, known_rung, write_rung
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.share import Share
from nastk.training.synchronised import synchronised
from nastk.training.taught_batches import TaughtBatches, taught_batches
from nastk.training.teacher import Teacher
from nastk.training.transfer_parts import TransferParts, claim_parts
from nastk.training.transfer_settings import TransferSettings

__all__ = ["METRICS", "Progress", "RunSettings", "TransferSettings", "train_final", "train_rung", "train_share"]

Progress = Callable[[int, int, float], None]


def train_final(
    genotype: Genotype,
    network_config: NetworkConfig,
    data: DataSource,
    settings: TransferSettings,
    folder: Path,
    progress: Progress | None = None,
    run: RunSettings | None = None,
    initial: Initial | None = None,
    teacher: Teacher | None = None,
) -> dict[str, Any]:
    """Trains a network and writes model.safetensors, genotype.json, network.json and metrics.json into `folder`.

    Killed and called again, it goes on from the last checkpoint and ends with the same numbers; finished, it returns
    them.

    Args:
        genotype: the cells.
        network_config: depth, width, auxiliary head, drop path; classes, channels and size must be the data's, but for
            a size that the genotype chooses itself: images are brought to that.
        data: trained on all of its training images, or on those that `settings.holdout` leaves.
        settings: how.
        folder: is made; it belongs to this training alone.
        progress: is called after each epoch with epochs done, epochs in all and the mean training loss.
        run: on how many devices; None for one.
        initial: weights to begin with; what of the network they do not have is drawn as without them.
        teacher: that `settings.teacher` names; None for the folder of a trained network there, which is opened here.

    Returns:
        The content of metrics.json: accuracy (0..1) and loss on the test images, params, epochs, seconds, ...; with
        `settings.holdout` "validation_accuracy" and "validation_loss" on the images held out.

    Raises:
        UserError: the data are not what they should be, the folder holds another training or cannot be written, the
            devices are not there, the weights do not fit, or the training lost a process.
        TrainingFailed: it diverged, or ran out of memory.
    """
    own = data_at(data, int(genotype.own_network.get("size", 0)))
    job = Job(genotype, network_config, own, settings, run or RunSettings(), initial, teacher).taught()
    job.run.check(settings.device, settings.batch)
    _train_in_full(job, folder, progress)
    remove_checkpoints(folder)
    remove_job(folder)
    return read_object(folder / METRICS)


def train_rung(
    genotype: Genotype,
    network_config: NetworkConfig,
    data: DataSource,
    settings: TransferSettings,
    folder: Path,
    epochs: int,
    progress: Progress | None = None,
    initial: Initial | None = None,
    teacher: Teacher | None = None,
) -> Rung:
    """Does the first epochs of `train_final`'s training in one process, which goes on from there to the same numbers.

    Args:
        genotype, network_config, data, folder, progress, initial, teacher: as for `train_final`.
        settings: how; images are held out.
        epochs: after which the averaged network, its normalisations counted anew, is scored on them.

    Returns:
        The scores, which are kept in the folder; nothing is trained where they are. Raises as `train_final`.
    """
    own = data_at(data, int(genotype.own_network.get("size", 0)))
    job = Job(genotype, network_config, own, settings, RunSettings(), initial, teacher).taught()
    claimed = claim_parts(job, folder)
    known = known_rung(folder, epochs)
    if known is not None:
        return known
    parts = claimed.in_memory()
    begin_rungs(folder)
    device = choose_device(settings.device)
    given = (job, parts, folder, Share(), device, progress, epochs)
    with _trained(*given) as (network, normalisation, _), doing("scoring the images held out"):
        found = score_on_the_way(network, parts, normalisation, device, job)
    return write_rung(folder, Rung(epochs, *found))


def train_share(job: Job, folder: Path, share: Share, device: torch.device, progress: Progress | None) -> nn.Module:
    """Does one process's share of the training of `folder`, writing files where it is the first; returns the network.

    Raises:
        UserError: as `train_final`; the data in this place are other than those that the training began with.
    """
    job = job.taught()
    return _train_parts(job, claim_parts(job, folder), folder, share, device, progress)


def _train_in_full(job: Job, folder: Path, progress: Progress | None) -> None:
    """Trains in this process or in several, unless that was done before."""
    parts = claim_parts(job, folder)
    if (folder / METRICS).exists():
        return
    if job.run.ddp:
        del parts  # each process reads its own
        find_checkpoint(folder)  # for its warning
        train_in_ranks(job, folder, progress)
    else:
        _train_parts(job, parts, folder, Share(), choose_device(job.settings.device), progress)


def _train_parts(
    job: Job, parts: TransferParts, folder: Path, share: Share, device: torch.device, progress: Progress | None
) -> nn.Module:
    parts, classes = parts.in_memory(), len(job.data.classes)
    with _trained(job, parts, folder, share, device, progress, job.settings.epochs) as (result, normalisation, outcome):
        with doing("scoring the test images"):
            found = score_share(result, parts.test, normalisation, device, share, classes)
        if parts.held_out is not None:
            with doing("scoring the images held out"):
                validated = score_share(result, parts.held_out, normalisation, device, share, classes)
            outcome.update({f"validation_{name}": value for name, value in validated._asdict().items()})
            outcome["validation_images"] = len(parts.held_out)
    if share.first:
        precision = BF16 if job.settings.in_bf16(device) else FP32
        write_outcome(folder, job, parts, result, normalisation, {**found._asdict(), **outcome}, precision)
    return result


@contextmanager
def _trained(
    job: Job,
    parts: TransferParts,
    folder: Path,
    share: Share,
    device: torch.device,
    progress: Progress | None,
    epochs: int,
) -> Iterator[tuple[nn.Module, Normalisation, dict[str, float]]]:
    """Trains for so many of the epochs; gives the averaged network, the images' statistics and what the training took.

    What fails in it and under it is the folder's TrainingFailed.
    """
    genotype, network_config, data, settings = job[:4]
    normalisation = statistics(parts.train)
    seed = derive_seed(settings.seed, genotype.key, "transfer")
    try:
        with threads_set(settings.threads, data.size), isolated_rng(seed, device), memory_errors_named():
            network = build_network(genotype, network_config)
            if job.initial is not None:
                begin_with(job.initial, network, data.channels)
            place(network, device)
            taught = None if job.teacher is None else lesson(job.teacher, normalisation, device, **settings.taught)
            kept = kept_beside(folder, taught, job.teacher, settings.teacher_views, writes=share.first)
            given = (parts.train, parts.unlabelled, normalisation, data, settings)
            own: dict[str, Any] = {"seed": seed, "device": device, "share": share, "ratio": settings.teacher_unlabelled}
            batches = taught_batches(*given, **own, kept=kept)
            result, took = _train(network, batches, job, taught, folder, device, progress, epochs)
            yield result, normalisation, took
    except TrainingError as error:
        raise TrainingFailed(folder, error.reason) from None


def _train(
    network: nn.Module,
    batches: Batches | TaughtBatches,
    job: Job,
    taught: Lesson | None,
    folder: Path,
    device: torch.device,
    progress: Progress | None,
    epochs: int,
) -> tuple[nn.Module, dict[str, float]]:
    """Returns the trained network, averaged, with "train_loss" of the last epoch and "seconds" over all sittings."""
    settings, run = job.settings, job.run
    path, before = find_checkpoint(folder) or (None, {"seconds": 0.0, "steps": 0})
    epochs = max(epochs, before["steps"] // len(batches))  # it may have gone further than it is asked to now
    start = time.perf_counter()
    took = {"seconds": float(before["seconds"])}

    def facts() -> dict[str, float]:
        took["seconds"] = before["seconds"] + time.perf_counter() - start
        return took

    def after_epoch(epoch: int, loss: float) -> None:
        checkpoints.write(module.trainer)
        if progress is not None:
            progress(epoch, settings.epochs, loss)

    share = batches.share
    if share.ddp and run.sync_batchnorm:
        network = synchronised(network, device)
    module = AveragingClassifier(
        network,
        batches,
        settings,
        seed=batches.seed,
        after_epoch=after_epoch,
        average=settings.average,
        weights=class_weights(settings.class_weights, batches.labels, len(job.data.classes)),
        lesson=taught,
    )
    checkpoints = Checkpoints(folder, facts, run.checkpoint_minutes, share)
    together = [SameStatistics(network, share), EndAtOnce()] if share.ddp else []
    fit(module, device, [*together, checkpoints], path, share, epochs)
    return module.result.to(device), {**took, "train_loss": module.train_loss}
