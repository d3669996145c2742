"""Fisher information: how much the loss depends on each channel of the feature maps."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nastk.zero_cost.prepared import copied, gradients, logits


def fisher(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the sum over channels of the mean over images of (sum over pixels of activation x gradient)^2 / 2.

    Turner, Crowley, O'Boyle, Storkey, Gray, "BlockSwap: Fisher-guided Block Substitution for Network Compression on a
    Budget", ICLR 2020. The activations are those that convolutions and linear layers give.

    Args:
        network, images, labels: see `Proxy`.
    """
    working = copied(network)
    activations: list[Tensor] = []

    def keep(layer: nn.Module, given: Any, output: Tensor) -> None:
        activations.append(output)

    for part in working.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(keep)
    found = gradients(cross_entropy(logits(working, images), labels), activations)
    score = 0.0
    for activation, gradient in zip(activations, found, strict=True):
        saliency = activation.detach() * gradient
        per_channel = saliency.flatten(2).sum(2) if saliency.dim() > 2 else saliency
        score += float(per_channel.square().mean(0).sum()) / 2
    return score
