"""How a network of stages ends: from feature maps (N, C, H, W) to logits (N, classes)."""

from __future__ import annotations

import math

from torch import nn

from nastk.blocks.layers import activation, conv
from nastk.blocks.register import Built, Row, whole_stage


@whole_stage("pooled_classifier")
def pooled_classifier(
    row: Row, *, pool: int, hidden: tuple[int, ...], act: str, dropout: float, dropout_first: bool
) -> Built:
    """Average pooling to pool x pool pixels, hidden linear layers each with activation and dropout, a linear layer.

    A map of fewer pixels is left as it is: pooled to more, it would hold each of them several times. Without hidden
    layers the dropout is before the linear layer. With `dropout_first` it is before each hidden layer, as in AlexNet,
    rather than after it, as in VGG.
    """
    layers = [*pooled(row.size, pool), nn.Flatten()]
    features = row.channels_in * math.prod(min(pool, side) for side in row.size)
    for width in hidden:
        linear = [nn.Linear(features, width), *activation(act)]
        layers += [*_dropped(dropout), *linear] if dropout_first else [*linear, *_dropped(dropout)]
        features = width
    if not hidden:
        layers += _dropped(dropout)
    return Built(nn.Sequential(*layers, nn.Linear(features, row.width)), row.width)


def pooled(size: tuple[int, int], pool: int) -> list[nn.Module]:
    """Returns average pooling of a map to `pool` pixels a side, nothing where it has no more; one pixel is of any map.

    Windows are equal, and overlap where they must: what exported files can say, unlike torch's adaptive ones, which are
    the same where `pool` divides the map.
    """
    if pool == 1:
        return [nn.AdaptiveAvgPool2d(1)]
    counts = [min(pool, side) for side in size]
    strides = [side // count for side, count in zip(size, counts, strict=True)]
    kernels = [side - (count - 1) * stride for side, count, stride in zip(size, counts, strides, strict=True)]
    return [] if kernels == [1, 1] else [nn.AvgPool2d((kernels[0], kernels[1]), (strides[0], strides[1]))]


@whole_stage("conv_classifier")
def conv_classifier(row: Row, *, act: str, dropout: float) -> Built:
    """Dropout, a 1x1 convolution to the classes, an activation, average pooling: SqueezeNet's end."""
    last = conv(row.channels_in, row.width, bias=True)
    nn.init.normal_(last.weight, std=0.01)  # as published: classes begin nearly equal
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    layers = [*_dropped(dropout), last, *activation(act), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Built(nn.Sequential(*layers), row.width)


@whole_stage("depthwise_classifier")
def depthwise_classifier(row: Row, *, dropout: float) -> Built:
    """A depthwise convolution over the whole map with normalisation, dropout, a linear layer.

    Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices",
    CCBR 2018, where it stands in place of average pooling, which it begins as: there, each place of a map counts alike.
    """
    channels = row.channels_in
    weighing = nn.Conv2d(channels, channels, row.size, groups=channels, bias=False)
    nn.init.constant_(weighing.weight, 1 / math.prod(row.size))
    layers = [weighing, nn.BatchNorm2d(channels), nn.Flatten(), *_dropped(dropout), nn.Linear(channels, row.width)]
    return Built(nn.Sequential(*layers), row.width)


def _dropped(probability: float) -> list[nn.Module]:
    return [nn.Dropout(probability)] if probability else []
