"""The numbers of a task's metric over a split."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nastk.data.normalisation import Normalisation
from nastk.dense.batches import in_order
from nastk.dense.module import in_float32
from nastk.dense.task import DenseImages, DenseTask
from nastk.training.failure import TrainingError


def evaluated(
    network: nn.Module, task: DenseTask, images: DenseImages, normalisation: Normalisation, device: torch.device
) -> dict[str, float]:
    """Returns the metric's numbers over all images of a split, in eval mode; the mode is then as before.

    Raises:
        TrainingError: an output or a number is not finite.
    """
    metric, training = task.metric(), network.training
    network.eval()
    with torch.inference_mode():
        for pixels, targets in in_order(images, normalisation, device):
            outputs = in_float32(network(pixels))
            if not all(one.isfinite().all() for one in ((outputs,) if isinstance(outputs, Tensor) else outputs)):
                raise TrainingError("diverged: the network gives numbers that are not finite")
            metric.update(outputs, targets)
        numbers = metric.compute()
    network.train(training)
    if not all(map(math.isfinite, numbers.values())):
        raise TrainingError(f"{task.score} cannot be told: {numbers}")
    return numbers
