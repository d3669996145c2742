"""The images of a final training, read and recorded before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from nastk.data.images import ImageSet
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.data.subsets import hold_out
from nastk.training.job import Job
from nastk.training.record import claim_folder, training_record


class TransferParts(NamedTuple):
    """The images; `held_out` are for validation, `unlabelled` for a teacher's students, None where there are none."""

    train: ImageSet
    held_out: ImageSet | None
    test: ImageSet
    unlabelled: ImageSet | None = None

    def in_memory(self) -> TransferParts:
        """Returns the same parts, each decoded now where `data.memory_gb` holds it."""
        cpu = torch.device("cpu")
        held_out = None if self.held_out is None else self.held_out.to(cpu)
        unlabelled = None if self.unlabelled is None else self.unlabelled.to(cpu)
        return TransferParts(self.train.to(cpu), held_out, self.test.to(cpu), unlabelled)


def claim_parts(job: Job, folder: Path) -> TransferParts:
    """Reads the images, so that a damaged file is found before the training, and claims the folder for it.

    Raises:
        UserError: the images are not what they should be, or the folder holds another training.
    """
    if job.settings.holdout:
        train, held_out = hold_out(job.data, job.settings.seed)
    else:
        train, held_out = job.data.train(), None
    unlabelled = None if job.teacher is None else unlabelled_images(job.data)
    claim_folder(folder, training_record(job, train, unlabelled))
    return TransferParts(train, held_out, job.data.test(), unlabelled)
