"""Training with a moving average of the weights, which is what is kept in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nastk.training.module import Classifier

AUXILIARY = "auxiliary"
AVERAGED_HEAD = f"averaged.module.{AUXILIARY}."


class MovingAverage(AveragedModel):
    """torch's exponential average of weights and buffers, bit for bit, whose tensors are looked up once a training.

    torch looks them up at every step, and waits for the device to say whether that was the first; on small networks it
    takes three to five times as long.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Copies the network; of the average after a step, `decay` is the share of what it was before."""
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self._first = True
        self._groups: list[tuple[list[Tensor], list[Tensor]]] = []
        self.requires_grad_(False)

    def begin(self, network: nn.Module) -> None:
        """Looks up what `move` averages, once both are on their device and any checkpoint is loaded."""
        groups: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = defaultdict(lambda: ([], []))
        for average, tensor in zip(_tensors(self.module), _tensors(network), strict=True):
            if average is not tensor:
                groups[tensor.dtype][0].append(average)
                groups[tensor.dtype][1].append(tensor)
        self._groups = list(groups.values())
        self._first = bool(self.n_averaged == 0)

    @torch.no_grad()
    def move(self) -> None:
        """Moves the average towards what the network's tensors are now; the first time it becomes that."""
        for averages, tensors in self._groups:
            if self._first:
                torch._foreach_copy_(averages, tensors)
            elif averages[0].is_floating_point():
                torch._foreach_lerp_(averages, tensors, 1 - self.decay)
            else:
                shares = torch._foreach_mul(averages, self.decay), torch._foreach_mul(tensors, 1 - self.decay)
                torch._foreach_copy_(averages, torch._foreach_add(*shares))
        self._first = False
        self.n_averaged += 1


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())


class AveragingClassifier(Classifier):
    """A training that averages weights and batch-norm statistics exponentially, step by step.

    The average's memory is a share of the training, so that short and long ones need no other setting.
    """

    def __init__(self, *args: Any, average: float, **kwargs: Any) -> None:
        """As `Classifier`; `average` is the share of all steps that the average remembers, 0 for no averaging."""
        super().__init__(*args, **kwargs)
        self.averaged: MovingAverage | None = None
        if average > 0:
            decay = 1 - 1 / max(1.0, average * self.steps)
            self.averaged = MovingAverage(self.network, decay)
            if getattr(self.network, AUXILIARY, None) is not None:  # never scored: of it there is one
                setattr(self.averaged.module, AUXILIARY, getattr(self.network, AUXILIARY))

    @property
    def result(self) -> nn.Module:
        """The averaged network, or the trained one where nothing is averaged."""
        if self.averaged is None:
            return self.network
        module: nn.Module = self.averaged.module
        return module

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the auxiliary head's weights for its average, where a checkpoint of before has both."""
        weights = checkpoint["state_dict"]
        for name in weights:
            if name.startswith(AVERAGED_HEAD):
                weights[name] = weights[f"network.{AUXILIARY}.{name.removeprefix(AVERAGED_HEAD)}"]

    def on_train_start(self) -> None:
        """Begins or goes on, the average too."""
        super().on_train_start()
        if self.averaged is not None:
            self.averaged.begin(self.network)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Moves the average towards the weights after the step."""
        if self.averaged is not None:
            self.averaged.move()
