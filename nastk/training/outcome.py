"""What a final training comes to: its scores over all processes, and the files that it leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from nastk.data.images import ImageSet
from nastk.data.normalisation import Normalisation
from nastk.data.search_record import image_facts
from nastk.data.summary import empty_classes
from nastk.files import write_json
from nastk.networks.count import count_parameters
from nastk.networks.stored import save_trained
from nastk.training.batches import in_order
from nastk.training.failure import TrainingError
from nastk.training.job import Job
from nastk.training.recalibration import recalibrate
from nastk.training.scoring import Scores, scores
from nastk.training.share import Share
from nastk.training.transfer_parts import TransferParts

SCHEMA = 1
METRICS = "metrics.json"
RECALIBRATION = 1024  # training images that the normalisations of an averaged network are counted on


def score_share(
    network: nn.Module,
    images: ImageSet,
    normalisation: Normalisation,
    device: torch.device,
    share: Share,
    classes: int,
) -> Scores:
    """Returns the scores over all `images`, of which each process scores every so-many-th, none twice.

    Raises:
        TrainingError: the loss is no finite number.
    """
    mine = images.take(torch.arange(share.rank, len(images), share.ranks)) if share.ranks > 1 else images
    found = scores(network, in_order(mine, normalisation, device), classes, share)
    if not math.isfinite(found.loss):
        raise TrainingError(
            f"diverged: the loss of the trained network is {found.loss} on images that it was not trained on"
        )
    return found


def score_on_the_way(
    network: nn.Module, parts: TransferParts, normalisation: Normalisation, device: torch.device, job: Job
) -> Scores:
    """Returns the scores of the averaged network of a training under way on its images held out; it is of no use after.

    Its normalisations are counted on training images first. What their averages are at high learning rates is those of
    no network: after two of ten epochs a MobileNetV2 named one image in seven rightly with them, and every second one
    once they were counted (scripts/benchmarks/reports/2026-11-28-rungs.md).

    Raises:
        TrainingError: as of `score_share`.
    """
    assert parts.held_out is not None
    batch = min(job.settings.batch, len(parts.train))
    count = min(len(parts.train), RECALIBRATION) // batch or 1
    # In random order: those of a folder lie class by class, and a batch of one class has another variance.
    drawn = torch.randperm(len(parts.train), generator=torch.Generator().manual_seed(0))[: count * batch]
    recalibrate(network, (x for x, _ in in_order(parts.train.take(drawn), normalisation, device, batch)))
    return score_share(network, parts.held_out, normalisation, device, Share(), len(job.data.classes))


def write_outcome(
    folder: Path,
    job: Job,
    parts: TransferParts,
    network: nn.Module,
    normalisation: Normalisation,
    outcome: Mapping[str, float],
    precision: str,
) -> None:
    """Writes the network, and last of all the metrics, which say that it is whole and what it was computed in."""
    data = job.data
    counts = {"train_images": len(parts.train), "test_images": len(parts.test)}
    if parts.unlabelled is not None:
        counts["unlabelled_images"] = len(parts.unlabelled)
    facts = {
        "normalisation": {"mean": list(normalisation.mean), "std": list(normalisation.std)},
        "classes": list(data.classes),
        "data": {**image_facts(data), **counts},
    }
    save_trained(folder, network, job.network, job.genotype, facts)
    metrics = {
        "schema": SCHEMA,
        "key": job.genotype.key,
        **{name: outcome[name] for name in Scores._fields},
        "classes_without_test_images": empty_classes(data.classes, parts.test.y.cpu().numpy()),
        "params": count_parameters(network, auxiliary=False),
        "epochs": job.settings.epochs,
        "precision": precision,
        **{name: value for name, value in outcome.items() if name not in Scores._fields},
        **counts,
    }
    write_json(folder / METRICS, metrics)
