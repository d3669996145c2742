"""Lightning's DDP for a training in several processes, and batch norm's running statistics, the same in all of them."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from nastk.training.share import Share


def trainer_options(share: Share, device: torch.device) -> dict[str, Any]:
    """Returns the arguments of Lightning's Trainer that say which processes train on which devices."""
    on_gpu = device.type == "cuda"
    if not share.ddp:
        # Without it Lightning looks for SLURM and others in the environment, and trains as one rank of many.
        return {"devices": [device.index or 0] if on_gpu else 1, "plugins": [LightningEnvironment()]}
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    devices = [device.index or 0] if local == 1 else list(range(local))
    return {
        "devices": devices if on_gpu else local,
        "num_nodes": share.ranks // local,
        "plugins": [TorchElasticEnvironment()],
        # Which parameters a step uses never changes, but some cells have branches that no step uses.
        "strategy": DDPStrategy(static_graph=True, broadcast_buffers=False),
    }


class SameStatistics(pl.Callback):
    """Averages the running statistics of batch norm over the processes after each step.

    So that all processes hold the same network after each step, and its average over time is the same too. DDP's own
    way is to copy the first process's, which would leave out the other processes' images.
    """

    def __init__(self, network: nn.Module, share: Share) -> None:
        self._network = network
        self._share = share
        self._buffers: list[Tensor] = []

    def on_train_start(self, *arguments: Any) -> None:
        """Finds the statistics, which are where they will stay by now."""
        self._buffers = [buffer for buffer in self._network.buffers() if buffer.is_floating_point()]

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Runs before the module's own hook, which averages over time."""
        if not self._buffers or self._share.ranks == 1:
            return
        mean = self._share.sum(torch.cat([buffer.flatten() for buffer in self._buffers])) / self._share.ranks
        parts = torch.split(mean, [buffer.numel() for buffer in self._buffers])
        torch._foreach_copy_(
            self._buffers, [part.view_as(buffer) for part, buffer in zip(parts, self._buffers, strict=True)]
        )


class EndAtOnce(pl.Callback):
    """Lets SIGTERM end a process that trains with others: Lightning would have it tell them, and wait for them."""

    def on_train_start(self, *arguments: Any) -> None:
        """Runs after Lightning has put its own handler in place."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
