"""Average and maximum pooling; a 1x1 convolution follows only where the number of channels differs."""

from __future__ import annotations

from torch import nn

from nastk.ops.conv import conv_bn
from nastk.ops.op import op


def average_pool(stride: int, kernel: int = 3) -> nn.AvgPool2d:
    """Returns average pooling that keeps ceil(size / stride) pixels a side and does not count the padding."""
    return nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)


def _matched(pool: nn.Module, channels_in: int, channels_out: int) -> nn.Module:
    return pool if channels_in == channels_out else nn.Sequential(pool, *conv_bn(channels_in, channels_out))


@op("avg_pool_3x3", kernel=3)
def average(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """Average pooling, padding not counted."""
    return _matched(average_pool(stride, kernel), channels_in, channels_out)


@op("max_pool_3x3", kernel=3)
@op("max_pool_5x5", kernel=5)
@op("max_pool_7x7", kernel=7)
def maximum(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """Maximum pooling, padded so that ceil(size / stride) pixels a side are kept."""
    return _matched(nn.MaxPool2d(kernel, stride, kernel // 2), channels_in, channels_out)
