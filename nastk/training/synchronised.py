"""Batch norm over the batches of all processes: torch's on a GPU, the same in plain operations on the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """Returns `network` with every batch norm taking its statistics over all processes; weights and names stay."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in list(network.modules()):
        for name, norm in module.named_children():
            if isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, _of(norm))
    return network


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch norm on the CPU whose mean and variance are those of the images of all processes, equally many in each.

    `torch.nn.SyncBatchNorm` is for GPUs only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises (batch, channels, height, width); in eval mode as any batch norm."""
        if not self.training:
            return super().forward(x)
        ranks = dist.get_world_size()
        mean = _sum(x.mean((0, 2, 3))) / ranks
        centred = x - mean[:, None, None]
        variance = _sum(centred.square().mean((0, 2, 3))) / ranks
        self._keep(mean.detach(), variance.detach(), ranks * x.numel() // x.shape[1])
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return centred * scale[:, None, None]
        return torch.addcmul(self.bias[:, None, None], centred, (self.weight * scale)[:, None, None])

    def _keep(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)  # unbiased, as torch keeps it


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return _summed(value)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _sum(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


def _summed(value: Tensor) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _of(norm: nn.BatchNorm2d) -> SynchronisedBatchNorm:
    made = SynchronisedBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for values in norm.state_dict().values():
        if values.is_floating_point():
            made.to(values)
    made.load_state_dict(norm.state_dict())
    return made
