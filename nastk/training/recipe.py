"""How a network is trained: epochs, batch, schedule and regularisation, checked where they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from nastk.checks import MOST, check_flag, check_name, check_number, check_probability, check_whole
from nastk.training.optimizers import OPTIMIZERS

DECAYS = ("cosine", "linear")
AUTO_PRECISION, TIMED, FP32, BF16 = "auto", "timed", "fp32", "bf16"
PRECISIONS = (AUTO_PRECISION, TIMED, FP32, BF16)


@dataclass(frozen=True)
class Recipe:
    """Optimizer, schedule, loss and what regularises the network; the schedule is a function of the step.

    Attributes:
        epochs: passes over the training images.
        batch: images a step.
        optimizer: "sgd" (with Nesterov momentum), "adamw" or "muon".
        learning_rate: the highest one; of Muon the share of a kernel's norm.
        warmup: share of the steps in which it rises linearly from zero.
        decay: how it then falls to zero, "cosine" or "linear" (with a warm-up, the one-cycle triangle).
        momentum: Nesterov's, 0 for none; AdamW's first beta; kernels under Muon have their own, always.
        weight_decay: of weights with two dimensions or more, as an L2 penalty with SGD and decoupled with AdamW; norms
            and biases have none.
        label_smoothing: share of the target spread over all classes.
        clip: greatest norm of the gradient, 0 for no limit.
        auxiliary: weight of the auxiliary head's loss; 0 for no such head.
        drop_path: probability of dropping an edge, at the end of training in the last cell.
        precision: "fp32", "bf16" (autocast to bfloat16), "auto": bf16 on a GPU, fp32 on a CPU; or "timed": where a
            search or a transfer has not chosen one of the first two by timed steps on a CPU before, as "auto".
        graph: whether a GPU replays a captured CUDA graph; "auto": where it can and the training is long enough.
    """

    epochs: int = 8
    batch: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    warmup: float = 0.2
    decay: str = "cosine"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip: float = 5.0
    auxiliary: float = 0.4
    drop_path: float = 0.0
    precision: str = AUTO_PRECISION
    graph: bool | str = "auto"

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1, MOST)
        check_whole("batch", self.batch, 2, MOST)
        check_number("learning_rate", self.learning_rate, 0, above=True)
        check_number("warmup", self.warmup, 0, 1)
        check_number("momentum", self.momentum, 0, 1, below=True)
        check_number("weight_decay", self.weight_decay, 0)
        check_number("label_smoothing", self.label_smoothing, 0, 1, below=True)
        check_number("clip", self.clip, 0)
        check_number("auxiliary", self.auxiliary, 0)
        check_probability("drop_path", self.drop_path, below=True)
        check_name("optimizer", self.optimizer, OPTIMIZERS)
        check_name("decay", self.decay, DECAYS)
        check_name("precision", self.precision, PRECISIONS)
        check_flag("graph", self.graph, "auto")

    def rate(self, step: int, steps: int) -> float:
        """Returns the learning rate of step `step` of `steps`, counted from 0."""
        rise = self.warmup * steps
        if step + 1 < rise:
            return self.learning_rate * (step + 1) / rise
        rest = (step - rise + 1) / max(1.0, steps - rise + 1)
        rest = min(1.0, max(0.0, rest))
        falling = 0.5 * (1 + math.cos(math.pi * rest)) if self.decay == "cosine" else 1.0 - rest
        return self.learning_rate * falling

    def in_bf16(self, device: torch.device) -> bool:
        """Says whether a training on `device` computes in bfloat16."""
        return device.type == "cuda" if self.precision in (AUTO_PRECISION, TIMED) else self.precision == BF16

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Returns the optimizer of all of the network's parameters."""
        return OPTIMIZERS[self.optimizer](network, self.learning_rate, self.momentum, self.weight_decay)
