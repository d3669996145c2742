"""The norm of the gradient of one batch's loss."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.zero_cost.prepared import loss_gradients


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the sum over the layers of the Euclidean norm of the loss's gradient by their weights.

    Abdelfattah, Mehrotra, Dudziak, Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.

    Args:
        network, images, labels: see `Proxy`.
    """
    return sum(float(gradient.norm()) for _, gradient in loss_gradients(network, images, labels))
