"""The ends of a network: the classifier, and the auxiliary one that helps training."""

from __future__ import annotations

from torch import nn

from nastk.ops.conv import batch_norm, conv_bn

POOL = 5
POOL_STRIDE = 3
PROJECTED = 128
HIDDEN = 768


def head(channels: int, classes: int, *before: nn.Module) -> nn.Sequential:
    """Returns the modules of `before`, global average pooling and a linear layer: (N, C, H, W) to (N, classes)."""
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def auxiliary_head(channels: int, classes: int, size: int) -> nn.Sequential:
    """Returns NASNet's auxiliary head: ReLU, average pool 5x5 of stride 3, 1x1 to 128, full size to 768, linear.

    On a map of less than 5 pixels a side the pooling takes the whole map, so that one pixel is left.

    Args:
        channels: of the map.
        classes: logits.
        size: of the map, pixels a side.
    """
    kernel = min(POOL, size)
    pooled = (size - kernel) // POOL_STRIDE + 1
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(kernel, POOL_STRIDE),
        *conv_bn(channels, PROJECTED),
        nn.ReLU(),
        nn.Conv2d(PROJECTED, HIDDEN, pooled, bias=False),
        batch_norm(HIDDEN),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(HIDDEN, classes),
    )
