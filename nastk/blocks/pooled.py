"""Pooling of a whole map inside a network, for heads that mix channels after it."""

from __future__ import annotations

from torch import nn

from nastk.blocks.register import Built, Row, whole_stage


@whole_stage("global_pool")
def global_pool(row: Row) -> Built:
    """The mean of each channel: (N, channels, H, W) to (N, channels, 1, 1)."""
    return Built(nn.AdaptiveAvgPool2d(1), row.channels_in)
