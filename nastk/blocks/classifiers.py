"""How a network of stages ends: from feature maps (N, C, H, W) to logits (N, classes)."""

from __future__ import annotations

from torch import nn

from nastk.blocks.layers import activation
from nastk.blocks.register import Built, Row, whole_stage


@whole_stage("pooled_classifier")
def pooled_classifier(row: Row, *, pool: int, hidden: tuple[int, ...], act: str, dropout: float) -> Built:
    """Average pooling to pool x pool pixels, hidden linear layers each with activation and dropout, a linear layer."""
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(pool), nn.Flatten()]
    features = row.channels_in * pool * pool
    dropped: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    for width in hidden:
        layers += [nn.Linear(features, width), *activation(act), *dropped]
        features = width
    if not hidden:
        layers += dropped
    return Built(nn.Sequential(*layers, nn.Linear(features, row.width)), row.width)
