"""SNIP: how much the loss depends on each weight."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.zero_cost.prepared import loss_gradients


def snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the sum over all weights of |weight x gradient of the loss|.

    Lee, Ajanthan, Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019.

    Args:
        network, images, labels: see `Proxy`.
    """
    return sum(float((weight * gradient).abs().sum()) for weight, gradient in loss_gradients(network, images, labels))
