"""Making a network whose weights were not trained together fit to be judged: its normalisations count images anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PART = 256  # images


def even_parts(images: Tensor) -> list[Tensor]:
    """Returns batches of one size, of at most 256 images; the rest is left out.

    They are drawn in a random order, the same one each time: images of a folder lie class by class, and a batch of one
    class has another variance.
    """
    at_once = min(PART, len(images))
    drawn = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: len(images) // at_once * at_once]
    return list(torch.split(images[drawn.to(images.device)], at_once))


@torch.no_grad()
def recalibrate(network: nn.Module, images: Iterable[Tensor]) -> None:
    """Counts the running means and variances of all batch normalisations on `images`; leaves the network in eval mode.

    Those of shared weights would be those of no network: Yu, Huang, "Universally Slimmable Networks and Improved
    Training Techniques", ICCV 2019. Guo et al., ECCV 2020, do it for every candidate of their search. Nor are those of
    averaged weights an average over the networks: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
    Generalization", UAI 2018. What is counted is the mean over the batches.

    Args:
        network: on the device of the images.
        images: batches of one size, of two images at least: normalised, float (n, channels, size, size).
    """
    network.eval()
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean
        layer.train()
    for batch in images:
        network(batch)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
