"""How much the images of each class count in the loss, for sets whose classes differ in size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nastk.checks import check_number
from nastk.errors import UserError

BALANCED = "balanced"


def check_class_weights(value: Any) -> None:
    """Raises UserError unless `value` is None, "balanced" or numbers above 0."""
    if value is None or value == BALANCED:
        return
    if not isinstance(value, tuple) or len(value) < 2:
        raise UserError(f"class_weights={value!r}, expected {BALANCED}, null, or a number for each class: [1,2.5,1]")
    for weight in value:
        check_number("class_weights", weight, 0, above=True)


def check_count(how: str | tuple[float, ...] | None, classes: int) -> None:
    """Raises UserError where there are not as many weights as classes."""
    if isinstance(how, tuple) and len(how) != classes:
        raise UserError(f"class_weights: {len(how)} numbers, expected {classes}: one for each class, in their order")


def class_weights(how: str | tuple[float, ...] | None, labels: Tensor, classes: int) -> Tensor | None:
    """Returns the weight of each class, float (classes,), None where all images count alike.

    Scaled so that the training images weigh 1 on average: a learning rate means the same with and without.

    Args:
        how: "balanced" for one over the number of the class's training images (King and Zeng 2001, Political Analysis
            9(2), section 4.2), or a weight for each class.
        labels: int64 (n,), of the training images.
        classes: how many there are.

    Raises:
        UserError: not as many weights as classes.
    """
    if how is None:
        return None
    check_count(how, classes)
    counts = labels.cpu().bincount(minlength=classes).double()
    weights = 1 / counts.clamp(min=1) if isinstance(how, str) else torch.tensor(how, dtype=torch.float64)
    return (weights * counts.sum() / (weights * counts).sum()).float()


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Returns the mean cross-entropy of a batch, each image weighed by its class.

    The mean is over images, not over weights, so that parts of a batch average to the whole (DDP).

    Args:
        logits: (n, classes).
        targets: int64 (n,), or float (n, classes) of sum 1, of blended images.
        weights: of `class_weights`, on the same device.
        smoothing: share of the target spread over all classes.
    """
    if weights is None:
        return cross_entropy(logits, targets, label_smoothing=smoothing)
    each = cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    return (each * (targets @ weights if targets.is_floating_point() else weights[targets])).mean()
