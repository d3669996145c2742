"""The steps of int8 weights, one an output channel, such that no kernel of x86 overflows."""

from __future__ import annotations

import torch
from torch import Tensor

# Of a weight's int8; -128 is left out so that the type is symmetric about zero.
GREATEST_WEIGHT = 127
# Two weights of one sign add up to no more, whichever two: with rounding 128 of them, times 255 less than 2^15.
GREATEST_PAIR = 127


def weight_steps(weight: Tensor, pairs: bool = False) -> Tensor:
    """Returns the step (out, 1, ...) of each output channel: its greatest weight is 127 of them, so none lies beyond.

    Channels have steps of their own after Krishnamoorthi, "Quantizing deep convolutional networks for efficient
    inference: A whitepaper", arXiv 1806.08342.

    Args:
        weight: (out, ...).
        pairs: x86 processors without VNNI multiply uint8 by int8 and add two products in 16 bits, which saturate
            (Intel's VPMADDUBSW). Steps are then so large that no two weights can; in the mean that is most of a bit.
    """
    row = weight.detach().flatten(1)
    steps = row.abs().amax(dim=1) / GREATEST_WEIGHT
    if pairs and row.shape[1] > 1:
        above, below = (side.clamp(min=0).topk(2, dim=1).values.sum(dim=1) for side in (row, -row))
        steps = torch.maximum(steps, torch.maximum(above, below) / GREATEST_PAIR)
    return steps.clamp(min=torch.finfo(torch.float32).tiny).view(-1, *[1] * (weight.ndim - 1))


def in_pairs(weight_shape: tuple[int, ...], groups: int) -> bool:
    """Says whether a kernel of x86 adds the products of a layer's weights in pairs: not those of depthwise ones.

    Args:
        weight_shape: (out, in of a group, ...).
        groups: of the convolution.
    """
    return not (weight_shape[1] == 1 and weight_shape[0] == groups)
