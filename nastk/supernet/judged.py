"""Making a network with shared weights fit to be judged: its normalisations count their images anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

CHUNK = 256  # images that pass at once


@torch.no_grad()
def recalibrate(network: nn.Module, images: Tensor) -> None:
    """Counts the running means and variances of all batch normalisations on `images`; leaves the network in eval mode.

    Shared ones would be those of no network: Yu, Huang, "Universally Slimmable Networks and Improved Training
    Techniques", ICCV 2019. Guo et al., ECCV 2020, do it for every candidate of their search. What is counted is the
    mean over parts of equal size, the rest left out.

    Args:
        network: on the device of the images.
        images: normalised, float (n, channels, size, size).
    """
    network.eval()
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean
        layer.train()
    size = min(CHUNK, len(images))
    for part in torch.split(images, size):
        if len(part) == size:
            network(part)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
