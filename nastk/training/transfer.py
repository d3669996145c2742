"""The final training: a chosen genotype, larger, on all training images; the test images are scored once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nastk.errors import UserError
from nastk.files import read_json, write_json
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.count import count_parameters
from nastk.networks.stored import save_trained
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import Batches, in_order
from nastk.training.checkpoint import Checkpoints, find_checkpoint, remove_checkpoints
from nastk.training.data import DataSource, Images, Normalisation, statistics
from nastk.training.device import choose_device, place
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.fit import fit
from nastk.training.module import score
from nastk.training.record import claim_folder, training_record
from nastk.training.seeds import derive_seed, isolated_rng, threads_set
from nastk.training.transfer_settings import TransferSettings

__all__ = ["Progress", "TransferSettings", "train_final"]

SCHEMA = 1
METRICS = "metrics.json"

Progress = Callable[[int, int, float], None]


def train_final(
    genotype: Genotype,
    network_config: NetworkConfig,
    data: DataSource,
    settings: TransferSettings,
    folder: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains a network and writes model.safetensors, genotype.json, network.json and metrics.json into `folder`.

    Killed and called again, it goes on from the last epoch and ends with the same numbers; finished, it returns them.

    Args:
        genotype: the cells.
        network_config: depth, width, auxiliary head, drop path; classes, channels and size must be the data's.
        data: trained on all of its training images.
        settings: how.
        folder: is made; it belongs to this training alone.
        progress: is called after each epoch with epochs done, epochs in all and the mean training loss.

    Returns:
        The content of metrics.json: accuracy (0..1) and loss on the test images, params, epochs, seconds, ...

    Raises:
        UserError: the data are not what they should be, the folder holds another training or cannot be written, or
            the training diverged or ran out of memory.
    """
    train = data.train()
    claim_folder(folder, training_record(genotype, network_config, data, train, settings))
    if (folder / METRICS).exists():
        remove_checkpoints(folder)
        finished: dict[str, Any] = read_json(folder / METRICS)
        return finished
    test = data.test()  # read now so that a damaged file is found before the training, scored after it
    device = choose_device(settings.device)
    normalisation = statistics(train)
    seed = derive_seed(settings.seed, genotype.key, "transfer")
    try:
        with threads_set(settings.threads, data.size), isolated_rng(seed, device), memory_errors_named():
            network = build_network(genotype, network_config)
            place(network, device)
            batches = Batches(
                train,
                normalisation,
                batch=settings.batch,
                augmentation=settings.augmentation(data.crop, data.flip),
                seed=seed,
                device=device,
                mixing=settings.mixing(len(data.classes)),
            )
            result, outcome = _train(network, batches, settings, folder, device, progress)
            accuracy, loss = score(result, in_order(test, normalisation, device))
    except TrainingError as error:
        raise UserError(f"transfer {folder}: {error.reason}") from None
    facts = _facts(data, normalisation, train, test)
    save_trained(folder, result, network_config, genotype, facts)
    metrics = {
        "schema": SCHEMA,
        "key": genotype.key,
        "accuracy": accuracy,
        "loss": loss,
        "params": count_parameters(result, auxiliary=False),
        "epochs": settings.epochs,
        **outcome,
        "train_images": len(train),
        "test_images": len(test),
    }
    write_json(folder / METRICS, metrics)
    remove_checkpoints(folder)
    return metrics


def _train(
    network: torch.nn.Module,
    batches: Batches,
    settings: TransferSettings,
    folder: Path,
    device: torch.device,
    progress: Progress | None,
) -> tuple[torch.nn.Module, dict[str, float]]:
    """Returns the trained network, averaged, with "train_loss" of the last epoch and "seconds" over all sittings."""
    found = find_checkpoint(folder)
    path, before = found if found is not None else (None, {"seconds": 0.0, "train_loss": 0.0})
    start = time.perf_counter()
    outcome = dict(before)
    checkpoints = Checkpoints(folder, outcome)

    def after_epoch(epoch: int, loss: float) -> None:
        outcome.update(seconds=before["seconds"] + time.perf_counter() - start, train_loss=loss)
        checkpoints.write(module.trainer)
        if progress is not None:
            progress(epoch, settings.epochs, loss)

    module = AveragingClassifier(
        network, batches, settings, seed=batches.seed, after_epoch=after_epoch, average=settings.average
    )
    fit(module, device, [checkpoints], path)
    result = module.result.to(device)
    return result, outcome


def _facts(data: DataSource, normalisation: Normalisation, train: Images, test: Images) -> dict[str, Any]:
    return {
        "normalisation": {"mean": list(normalisation.mean), "std": list(normalisation.std)},
        "classes": list(data.classes),
        "data": {"name": data.name, "train_images": len(train), "test_images": len(test)},
    }
