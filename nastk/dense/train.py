"""Trains a backbone and a head on a set with targets; the test images are scored once, with the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nastk.dense.batches import DenseBatches
from nastk.dense.best import BestWeights, load_weights, stored
from nastk.dense.job import DenseJob
from nastk.dense.module import DenseTrainer
from nastk.dense.network import DenseNetwork
from nastk.dense.scoring import evaluated
from nastk.dense.task import SPLITS
from nastk.errors import UserError
from nastk.files import write_bytes, write_json
from nastk.networks.count import count_parameters
from nastk.outside import read_object
from nastk.seeds import derive_seed
from nastk.training.checkpoint import Checkpoints, find_checkpoint, remove_checkpoints
from nastk.training.device import choose_device, place
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.fit import fit
from nastk.training.record import claim_folder
from nastk.training.seeds import isolated_rng, threads_set

SCHEMA = 1
MODEL, METRICS = "model.safetensors", "metrics.json"
CHECKPOINT_MINUTES = 10.0

# Epochs done, epochs in all, mean training loss, score on the validation images, the best score so far.
Progress = Callable[[int, int, float, float, float], None]


def train_dense(job: DenseJob, folder: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Trains and writes model.safetensors and metrics.json into `folder`.

    Killed and called again, it goes on from the last checkpoint and ends with the same numbers; finished, it returns
    them.

    Args:
        job: what to train.
        folder: is made; it belongs to this training alone.
        progress: is called after each epoch.

    Returns:
        The content of metrics.json: the metric's numbers on the test images, "validation_..." on the validation ones,
        both with the weights of "best_epoch", params, seconds, ...

    Raises:
        UserError: images, network and head do not fit each other, the folder holds another training or cannot be
            written, or the training diverged or ran out of memory.
    """
    device, settings = choose_device(job.settings.device), job.settings
    job.check()  # what does not fit is said before the folder is made
    claim_folder(folder, job.record())
    if not (folder / METRICS).exists():
        seed = derive_seed(settings.seed, job.backbone.genotype.key, job.task.name)
        try:
            with threads_set(settings.threads, max(job.shape)), isolated_rng(seed, device), memory_errors_named():
                _train(job, folder, device, seed, progress)
        except TrainingError as error:
            raise UserError(f"{job.task.name} {folder}: {error.reason}") from None
    remove_checkpoints(folder)
    BestWeights(folder).remove()
    return read_object(folder / METRICS)


def trained_network(job: DenseJob, folder: Path) -> DenseNetwork:
    """Returns the network that `train_dense` left in `folder`, in eval mode; raises UserError where it is damaged."""
    network = job.untrained()
    load_weights(folder / MODEL, network)
    return network.eval()


def _train(job: DenseJob, folder: Path, device: torch.device, seed: int, progress: Progress | None) -> None:
    task, settings, normalisation = job.task, job.settings, job.normalisation()
    train, validation, test = (job.data.split(name) for name in SPLITS)
    network = job.network()
    place(network, device)
    batches = DenseBatches(
        train, normalisation, task, batch=settings.batch, flip=settings.flip, seed=seed, device=device
    )
    best = BestWeights(folder)
    path, before = find_checkpoint(folder) or (None, {"seconds": 0.0})
    start = time.perf_counter()

    def facts() -> dict[str, float]:
        return {"seconds": before["seconds"] + time.perf_counter() - start}

    def after_epoch(epoch: int, loss: float) -> None:
        score = evaluated(module.result, task, validation, normalisation, device)[task.score]
        best.offer(epoch, score, module.result)
        checkpoints.write(module.trainer)
        if progress is not None:
            progress(epoch, settings.epochs, loss, score, best.score)

    module = DenseTrainer(network, task, batches, settings, seed=seed, after_epoch=after_epoch)
    checkpoints = Checkpoints(folder, facts, CHECKPOINT_MINUTES)
    fit(module, device, [checkpoints], path)
    best.load_into(network.to(device))
    validated = evaluated(network, task, validation, normalisation, device)
    metrics = {
        **evaluated(network, task, test, normalisation, device),
        **{f"validation_{name}": value for name, value in validated.items()},
        **{"epochs": settings.epochs, "best_epoch": best.epoch, "train_loss": module.train_loss, **facts()},
        **{"train_images": len(train.targets), "validation_images": len(validation.targets)},
        "test_images": len(test.targets),
    }
    write_bytes(folder / MODEL, stored(network))
    write_json(folder / METRICS, {"schema": SCHEMA, **_facts(job, network), **metrics})


def _facts(job: DenseJob, network: DenseNetwork) -> dict[str, Any]:
    """Returns what the network is and reads."""
    channels, height, width = job.shape
    normalisation = job.normalisation()
    return {
        "task": job.task.name,
        "key": job.backbone.genotype.key,
        "weights": "random" if job.backbone.trained is None else "trained",
        "params": count_parameters(network, auxiliary=True),
        "backbone_params": count_parameters(network.backbone, auxiliary=True),
        "classes": list(job.data.classes),
        "maps": [one._asdict() for one in network.backbone.info],
        "preprocessing": {
            **{"input": "image", "layout": "NCHW", "type": "float32"},
            **{"channels": channels, "height": height, "width": width},
            **{"mean": list(normalisation.mean), "std": list(normalisation.std)},
            "formula": "(pixel / 255 - mean) / std",
        },
    }
