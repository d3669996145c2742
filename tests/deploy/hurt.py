"""Networks that lose by int8: the same function in float32, with a channel far greater than the others."""

from __future__ import annotations

import torch
from torch import nn


def hurt(network: nn.Module, factor: float) -> None:
    """Scales a channel up behind a normalisation, and down again in the convolution after the ReLU that follows.

    The channel takes the range of its tensor, so that the others are left with few steps of the 255.
    """
    for part in network.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for norm, relu, conv in zip(part, part[1:], part[2:], strict=False):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(relu, nn.ReLU) and isinstance(conv, nn.Conv2d):
                with torch.no_grad():
                    norm.weight[0] *= factor
                    norm.bias[0] *= factor
                    (conv.weight if conv.groups > 1 else conv.weight.transpose(0, 1))[0] /= factor
