"""Batches of a training that may have a teacher: with images that have no labels, and with the teacher's kept answers.

That a student learns most from many images without labels is in Hinton et al. 2015 (arXiv 1503.02531) and, with large
networks and sets, in Chen et al., "Big Self-Supervised Models are Strong Semi-Supervised Learners", NeurIPS 2020
(arXiv 2006.10029).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nastk.data.images import DataSource, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.seeds import derive_seed
from nastk.training.answers import KeptAnswers
from nastk.training.batches import Batches
from nastk.training.settings import TrainingSettings
from nastk.training.share import Share

Batch = tuple[Tensor, ...]


class TaughtBatches:
    """Labelled batches, each followed by images without labels; an epoch is one of the labelled images.

    The others go through in epochs of their own, in which each is seen once: what a step holds is a function of its
    number alone.

    Attributes:
        epoch, skip, share: see `BatchStream`.
    """

    def __init__(self, labelled: Batches, unlabelled: Batches) -> None:
        self.epoch = 0
        self.skip = 0
        self.share = labelled.share
        self.seed = labelled.seed
        self._labelled = labelled
        self._unlabelled = unlabelled

    def __len__(self) -> int:
        return len(self._labelled)

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self._labelled.device

    @property
    def labels(self) -> Tensor:
        """Labels of all images that have one: int64 (n,)."""
        return self._labelled.labels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images that this process gets at a time, channels, height and width: the same for all batches."""
        images, *rest = self._labelled.shape
        return images + self._unlabelled.shape[0], rest[0], rest[1], rest[2]

    def __iter__(self) -> Iterator[Batch]:
        """Yields all images of a step, the labels of the first of them, and answers to all where they are kept."""
        step = self.epoch * len(self) + self.skip
        self._labelled.epoch, self._labelled.skip, self.skip = self.epoch, self.skip, 0
        for (x, labels, *known), (more, _, *others) in zip(self._labelled, self._from(step), strict=False):
            answers = [torch.cat(pair) for pair in zip(known, others, strict=True)]
            yield torch.cat([x, more]), labels, *answers

    def _from(self, step: int) -> Iterator[Batch]:
        """Yields batches without labels from a step of the training on, for ever."""
        while True:
            self._unlabelled.epoch, self._unlabelled.skip = divmod(step, len(self._unlabelled))
            for batch in self._unlabelled:
                yield batch
                step += 1


def taught_batches(
    images: ImageSet,
    unlabelled: ImageSet | None,
    normalisation: Normalisation,
    data: DataSource,
    settings: TrainingSettings,
    *,
    ratio: float,
    seed: int,
    device: torch.device,
    share: Share | None = None,
    kept: KeptAnswers | None = None,
) -> Batches | TaughtBatches:
    """Returns the batches of a training.

    Args:
        images: with labels.
        unlabelled: without; None for none.
        normalisation: of both.
        data: says whether images may be mirrored and how far shifted.
        settings: how they are varied, and how many labelled ones a batch has.
        ratio: images without labels for each that has one.
        seed: of the batches.
        device: where they are.
        share: this process's.
        kept: a teacher's answers, None where it is asked in each step.

    Raises:
        UserError: fewer images than a batch has, or than there are processes.
    """
    augmentation, warp = settings.augmentation(data.crop, data.flip), settings.warp()
    share = share or Share()

    def of(chosen: ImageSet, batch: int, seed: int) -> Batches:
        own: dict[str, Any] = {"batch": batch, "seed": seed}
        answers = None if kept is None else kept.of(chosen, normalisation, augmentation, warp)
        mixing = settings.mixing(len(data.classes))
        given: dict[str, Any] = {"mixing": mixing, "share": share, "warp": warp, "kept": answers}
        return Batches(chosen, normalisation, augmentation=augmentation, device=device, **own, **given)

    labelled = of(images, settings.batch, seed)
    if unlabelled is None:
        return labelled
    if len(unlabelled) < share.ranks:
        raise UserError(f"data.unlabelled: {len(unlabelled)} image(s), expected one for each of {share.ranks} devices")
    each = min(max(1, round(ratio * settings.batch / share.ranks)), len(unlabelled) // share.ranks)
    return TaughtBatches(labelled, of(unlabelled, each * share.ranks, derive_seed(seed, "unlabelled")))
