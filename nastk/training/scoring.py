"""Accuracy, balanced accuracy and loss of a network over images, those of several processes together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nastk.data.images import MAX_CLASSES
from nastk.training.share import Share


class Scores(NamedTuple):
    """How a network does.

    Attributes:
        accuracy: share of the images that are classified right, 0 to 1.
        loss: mean cross-entropy.
        balanced_accuracy: mean over the classes that have images of the share that is right of theirs (Brodersen et
            al. 2010, ICPR, "The balanced accuracy and its posterior distribution").
    """

    accuracy: float
    loss: float
    balanced_accuracy: float


def scores(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], classes: int, share: Share | None = None
) -> Scores:
    """Returns the scores over `batches`, in eval mode; the mode is then as before.

    Args:
        network: from images to logits.
        batches: images, with labels int64 (n,) below `classes`.
        classes: how many there are.
        share: this process's; the numbers are those of all processes' images, each counted once.
    """
    training = network.training
    network.eval()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    right, seen = (torch.zeros(classes, dtype=torch.float64, device=device) for _ in range(2))
    loss = torch.zeros(1, dtype=torch.float64, device=device)
    with torch.inference_mode():
        for x, y in batches:
            logits = network(x).float()
            right += y[logits.argmax(1) == y].bincount(minlength=classes)
            seen += y.bincount(minlength=classes)
            loss += cross_entropy(logits, y, reduction="sum")
    network.train(training)
    total = (share or Share()).sum(torch.cat([right, seen, loss])).tolist()
    of_class = list(zip(total[:classes], total[classes:-1], strict=True))
    count = sum(images for _, images in of_class)
    recalls = [correct / images for correct, images in of_class if images]
    return Scores(sum(correct for correct, _ in of_class) / count, total[-1] / count, sum(recalls) / len(recalls))


def score(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Returns accuracy (0 to 1) and loss as `scores`, of whatever classes there are."""
    found = scores(network, batches, MAX_CLASSES)
    return found.accuracy, found.loss
