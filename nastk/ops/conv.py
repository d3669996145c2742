"""Plain convolutions in the order ReLU, convolution, batch normalisation, and the parts that other operations use."""

from __future__ import annotations

from torch import nn

from nastk.ops.op import op
from nastk.ops.strided import trained_on_pixels

# The NASNet reference's epsilon. It averages statistics with weight 0.0003 a step, for training of 600 epochs; a
# candidate sees some hundred steps, after which such averages would still be nearly their initial values.
EPSILON = 1e-3
MOMENTUM = 0.1


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Returns the batch normalisation that follows every convolution of a cell."""
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


def convolution(
    channels_in: int,
    channels_out: int,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    dilation: int = 1,
) -> nn.Conv2d:
    """Returns a convolution without bias whose output has ceil(size / stride) pixels a side."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (dilation * (height - 1) // 2, dilation * (width - 1) // 2)
    conv = nn.Conv2d(channels_in, channels_out, (height, width), stride, padding, dilation, bias=False)
    return trained_on_pixels(conv)


def depthwise(channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Returns a convolution of each channel by itself, without bias; output as of `convolution`."""
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


def relu_conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Returns ReLU, convolution and batch normalisation."""
    conv = convolution(channels_in, channels_out, kernel, stride, dilation)
    return nn.Sequential(nn.ReLU(), conv, batch_norm(channels_out))


def conv_bn(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> list[nn.Module]:
    """Returns convolution and batch normalisation, to go into a `Sequential`."""
    return [convolution(channels_in, channels_out, kernel, stride), batch_norm(channels_out)]


@op("conv_1x1", kernel=1)
@op("conv_3x3", kernel=3)
@op("dil_conv_3x3", kernel=3, dilation=2)
def plain(channels_in: int, channels_out: int, stride: int, kernel: int, dilation: int = 1) -> nn.Module:
    """ReLU, convolution, batch normalisation."""
    return relu_conv_bn(channels_in, channels_out, kernel, stride, dilation)


@op("conv_1x3_3x1", kernel=3)
@op("conv_1x7_7x1", kernel=7)
def row_then_column(channels_in: int, channels_out: int, stride: int, kernel: int) -> nn.Module:
    """ReLU, convolution along rows, convolution along columns, batch normalisation.

    The two are halves of one k x k convolution, so, as in separable ones, nothing stands between them; each strides
    along its own direction.
    """
    return nn.Sequential(
        nn.ReLU(),
        convolution(channels_in, channels_out, (1, kernel), (1, stride)),
        convolution(channels_out, channels_out, (kernel, 1), (stride, 1)),
        batch_norm(channels_out),
    )
