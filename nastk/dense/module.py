"""The LightningModule of a dense task: the classifier's training, but for the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nastk.dense.batches import DenseBatches
from nastk.dense.network import DenseNetwork
from nastk.dense.settings import DenseSettings
from nastk.dense.task import DenseTask, Outputs, Target
from nastk.training.averaging import AveragingClassifier
from nastk.training.module import AfterEpoch


class DenseTrainer(AveragingClassifier):
    """A backbone and a head in training: optimizer, schedule, clipping, averaging and resuming are the classifier's."""

    def __init__(
        self,
        network: DenseNetwork,
        task: DenseTask,
        batches: DenseBatches,
        settings: DenseSettings,
        *,
        seed: int,
        after_epoch: AfterEpoch,
    ) -> None:
        """Prepares a training; see `Classifier` for the arguments."""
        super().__init__(network, batches, settings, seed=seed, after_epoch=after_epoch, average=settings.average)
        self.task = task

    def training_step(self, batch: tuple[Tensor, Sequence[Target]], batch_idx: int) -> Tensor:
        """Returns the loss of a batch; under bfloat16 it is computed in float32 all the same."""
        images, targets = batch
        outputs = self.network(images)
        with torch.autocast(self.device.type, enabled=False):
            loss = self.task.loss(in_float32(outputs), targets)
        self.loss_sum += loss.detach()
        return loss


def in_float32(outputs: Outputs) -> Any:
    """Returns the outputs, one tensor or several, in float32."""
    return outputs.float() if isinstance(outputs, Tensor) else tuple(one.float() for one in outputs)
