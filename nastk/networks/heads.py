"""The ends of a network: the classifier, and the auxiliary one that helps training."""

from __future__ import annotations

from torch import nn

from nastk.networks.config import AUXILIARY_WIDTH
from nastk.ops.conv import batch_norm, conv_bn

POOL = 5
POOL_STRIDE = 3
NARROWING = 6  # of the first 1x1 convolution against the last layer: 128 and 768 in the paper
MOST_POOLED = 4  # pixels a side that CIFAR's head has after the pooling


def head(channels: int, classes: int, *before: nn.Module) -> nn.Sequential:
    """Returns the modules of `before`, global average pooling and a linear layer: (N, C, H, W) to (N, classes)."""
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def auxiliary_head(channels: int, classes: int, sides: tuple[int, int], width: int = AUXILIARY_WIDTH) -> nn.Sequential:
    """Returns NASNet's auxiliary head: ReLU, average pool 5x5 of stride 3, 1x1 to 128, full size to 768, linear.

    On a map of less than 5 pixels a side the pooling takes the whole map, so that one pixel is left. A head of another
    width than the paper's pools to at most 4x4, so that its size does not follow the image's.

    Args:
        channels: of the map.
        classes: logits.
        sides: height and width of the map, pixels.
        width: channels of the last layer, six times those of the first.
    """
    kernel = min(POOL, sides[0]), min(POOL, sides[1])
    pooled = (sides[0] - kernel[0]) // POOL_STRIDE + 1, (sides[1] - kernel[1]) // POOL_STRIDE + 1
    pool: nn.Module = nn.AvgPool2d(kernel, POOL_STRIDE)
    if width != AUXILIARY_WIDTH and max(pooled) > MOST_POOLED:
        pooled = min(pooled[0], MOST_POOLED), min(pooled[1], MOST_POOLED)
        pool = nn.AdaptiveAvgPool2d(pooled)
    projected = max(width // NARROWING, 1)
    return nn.Sequential(
        nn.ReLU(),
        pool,
        *conv_bn(channels, projected),
        nn.ReLU(),
        nn.Conv2d(projected, width, pooled, bias=False),
        batch_norm(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width, classes),
    )
