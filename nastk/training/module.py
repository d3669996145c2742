"""The LightningModule: one training step, metrics that stay on the device, one report an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from nastk.seeds import derive_seed
from nastk.training.class_weights import weighted_loss
from nastk.training.distillation import Lesson
from nastk.training.failure import TrainingError
from nastk.training.recipe import Recipe
from nastk.training.scoring import score
from nastk.training.seeds import seed_step
from nastk.training.stream import BatchStream

__all__ = ["AfterEpoch", "Classifier", "clip_norm", "score"]

AfterEpoch = Callable[[int, float], None]


class Classifier(pl.LightningModule):
    """A network in training.

    Learning rate, drop path and what chance decides are functions of the step and the epoch, not of a state that
    would have to be stored: a resumed training goes on as an unbroken one.

    Attributes:
        loss_sum: of the steps of the epoch under way, or of the one just ended; a scalar.
        train_loss: the mean training loss of the last whole epoch, NaN before there is one; `Checkpoints` stores it,
            so that a training which goes on after its last epoch has it too.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: BatchStream,
        recipe: Recipe,
        *,
        seed: int,
        after_epoch: AfterEpoch,
        max_seconds: float | None = None,
        weights: Tensor | None = None,
        lesson: Lesson | None = None,
    ) -> None:
        """Prepares a training.

        Args:
            network: gives logits, or (logits, auxiliary logits) in training mode.
            batches: what it is trained on.
            recipe: how.
            seed: of drop path and whatever else the network draws.
            after_epoch: is called with the number of epochs done and the mean training loss; may raise to end it.
            max_seconds: from now, after which no step starts; None for no limit.
            weights: float (classes,), see `class_weights`; None where all images count alike.
            lesson: of a teacher; None where the labels alone teach.
        """
        super().__init__()
        self.network = network
        self.batches = batches
        self.recipe = recipe
        self.steps = recipe.epochs * len(batches)
        self._class_weights = None if weights is None else weights.to(batches.device)
        self._lesson = lesson  # no module: neither trained nor stored
        self._weights = list(network.parameters())  # collecting them takes as long as clipping them
        self._seed = seed
        self._after_epoch = after_epoch
        self._max_seconds = max_seconds
        self._deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
        self.loss_sum = torch.zeros(())
        self.train_loss = math.nan
        self._progress: Callable[[float], None] | None = getattr(network, "set_drop_path_progress", None)

    def train_dataloader(self) -> BatchStream:
        """Returns the batches; they are on the device already."""
        return self.batches

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Returns the recipe's optimizer."""
        return self.recipe.make_optimizer(self.network)

    def on_train_start(self) -> None:
        """Goes on in the middle of an epoch, where the checkpoint was written there."""
        self.batches.epoch, self.batches.skip = divmod(self.global_step, len(self.batches))
        self.loss_sum = self.loss_sum.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Begins an epoch."""
        self.batches.epoch = self.current_epoch
        self.loss_sum = torch.zeros((), device=self.device)

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Sets the step's learning rate and drop path, and what it draws."""
        if time.monotonic() > self._deadline:
            raise TrainingError(f"took longer than max_seconds={self._max_seconds:g}")
        step = self.global_step
        seed_step(derive_seed(self._seed, "step", step, self.batches.share.rank), self.device)
        rate = self.recipe.rate(step, self.steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        if self._progress is not None:
            self._progress(step / self.steps)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        x, y, *known = batch
        output = self.network(x)
        logits, auxiliary = output if isinstance(output, tuple) else (output, None)
        answers = None if self._lesson is None else known[0] if known else self._lesson.answers(x)
        loss = self._loss(logits, y, answers)
        self.loss_sum += loss.detach()
        if auxiliary is not None:
            loss = loss + self.recipe.auxiliary * self._loss(auxiliary, y, answers)
        return loss

    def _loss(self, logits: Tensor, targets: Tensor, answers: Tensor | None) -> Tensor:
        """Returns the mean loss of logits against the labels, or against what the teacher answered."""
        smoothing = self.recipe.label_smoothing
        if self._lesson is None or answers is None:
            return weighted_loss(logits, targets, self._class_weights, smoothing)
        return self._lesson.loss(logits, answers, targets, self._class_weights, smoothing)

    def configure_gradient_clipping(self, *arguments: Any, **more: Any) -> None:
        """Clips the gradient's norm; Lightning's own refuses fused optimizers under autocast, bfloat16's too."""
        if self.recipe.clip:
            clip_norm(self._weights, self.recipe.clip)

    def on_train_epoch_end(self) -> None:
        """Reads the epoch's loss, the only time that the host waits for the device, and hands it on."""
        share = self.batches.share
        loss = float(share.sum(self.loss_sum)) / (share.ranks * len(self.batches))
        if not math.isfinite(loss):
            raise TrainingError(f"diverged: the training loss is {loss} in epoch {self.current_epoch + 1}")
        self.train_loss = loss
        self._after_epoch(self.current_epoch + 1, loss)


def clip_norm(weights: Iterable[nn.Parameter], limit: float) -> None:
    """Scales the gradients of `weights` to a common norm of at most `limit`, bit for bit as torch's `clip_grad_norm_`.

    In half of its time: it sorts them by device and type first, which are one here.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, torch.clamp(limit / (norm + 1e-6), max=1.0))
