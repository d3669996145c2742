"""Distillation: a student is trained towards the distribution that a teacher gives of the same augmented batch.

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv 1503.02531) has the loss. That the
teacher sees the student's own crop, mirroring and mixup, anew in each epoch, over a long schedule and without labels,
is Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022 (arXiv 2106.05237).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, kl_div, log_softmax

from nastk.data.normalisation import Normalisation
from nastk.training.class_weights import weighted_loss
from nastk.training.teacher import Logits, Teacher


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a student is taught in each step.

    Attributes:
        logits: the teacher, on the training's device.
        scale, shift: from the student's normalisation to the teacher's, (1, channels, 1, 1); None where both are one.
        size: height and width that the teacher takes.
        weight: share of the teacher in the loss; the rest is the labels'.
        temperature: that both distributions are softened by.
    """

    logits: Logits
    scale: Tensor | None
    shift: Tensor | None
    size: tuple[int, int]
    weight: float
    temperature: float

    def answers(self, images: Tensor) -> Tensor:
        """Returns the teacher's logits, float32 (n, classes), of a batch as the student gets it."""
        with torch.no_grad():
            if self.scale is not None and self.shift is not None:
                images = images * self.scale + self.shift
            if tuple(images.shape[2:]) != self.size:
                images = interpolate(images, self.size, mode="bilinear", align_corners=False, antialias=True)
            return self.logits(images).float()

    def loss(
        self, logits: Tensor, answers: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float
    ) -> Tensor:
        """Returns the mean loss of a batch: the teacher's share and the labels'.

        Args:
            logits: the student's (n, classes).
            answers: of `answers`.
            targets: as in `weighted_loss`, of the first images; those that follow have no label.
            weights, smoothing: as there; an image without a label weighs what the teacher takes it for.
        """
        taught = divergence(logits, answers, self.temperature)
        if weights is not None:
            own = targets @ weights if targets.is_floating_point() else weights[targets]
            taught = taught * torch.cat([own, answers[len(own) :].softmax(1) @ weights])
        if self.weight == 1:
            return taught.mean()
        labelled = weighted_loss(logits[: len(targets)], targets, weights, smoothing)
        return self.weight * taught.mean() + (1 - self.weight) * labelled


def lesson(
    teacher: Teacher, own: Normalisation, device: torch.device, *, weight: float = 1.0, temperature: float = 1.0
) -> Lesson:
    """Returns what `teacher` says of images that are normalised by `own`."""
    theirs = teacher.normalisation or own
    scale = shift = None
    if theirs != own:
        mean, std, mean_there, std_there = (
            torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)
            for values in (own.mean, own.std, theirs.mean, theirs.std)
        )
        scale, shift = (std / std_there).float().to(device), ((mean - mean_there) / std_there).float().to(device)
    return Lesson(teacher.at(device), scale, shift, teacher.shape[1:], weight, temperature)


def divergence(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Returns for each image the Kullback-Leibler divergence of the student's softened distribution from the teacher's.

    Times the temperature's square, so that gradients keep their size whatever it is (Hinton et al. 2015, section 2).

    Args:
        logits, answers: the student's and the teacher's, (n, classes).
        temperature: both are divided by.
    """
    student, teacher = (log_softmax(values.float() / temperature, dim=1) for values in (logits, answers))
    return kl_div(student, teacher, reduction="none", log_target=True).sum(1) * temperature**2
