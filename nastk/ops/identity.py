"""Operations that hand on what they are given, and the one that hands on nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d
from torch.nn.functional import pad as padded

from nastk.ops.conv import conv_bn, relu_conv_bn
from nastk.ops.op import op

LAYOUT = torch.channels_last


class FactorizedReduction(nn.Module):
    """Halves the resolution by two 1x1 convolutions of stride 2, the second one pixel further right and down.

    Between them they read two of every four pixels, where one strided convolution would read one. The NASNet reference
    writes each path as 1x1 average pooling of stride 2 and a 1x1 convolution, which is the same function, and
    normalises after concatenating; normalising each half before is also the same, and folds into its convolution when
    the network is exported.

    Shapes: (N, channels_in, H, W) to (N, channels_out, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.even = nn.Sequential(*conv_bn(channels_in, half, stride=2))
        # An odd size has one pixel less after the shift than it needs; padding and cropping apart, not by one negative
        # padding, so that an exported convolution takes both over.
        pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.odd = nn.Sequential(pad, *conv_bn(channels_in, channels_out - half, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), 1)
        # The same on the pixels that are read, a quarter each: on a CPU in 0.25 to 0.7 of the time, backward included.
        pixels = _QuarterPixels.apply(x)  # type: ignore[no-untyped-call]
        halves = zip(pixels, (self.even, self.odd), strict=True)
        return torch.cat([path[-1](conv2d(part, path[-2].weight)) for part, path in halves], 1)  # type: ignore[arg-type]


class _QuarterPixels(torch.autograd.Function):
    """The pixels of even row and column, and those one further right and down, zeros where there is none.

    A slice's own backward makes its gradient in the default layout, which everything before it then pays for.
    """

    @staticmethod
    def forward(context: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        context.shape = x.shape
        even, odd = x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]
        missing = (0, even.shape[3] - odd.shape[3], 0, even.shape[2] - odd.shape[2])
        return even.contiguous(memory_format=LAYOUT), padded(odd, missing).contiguous(memory_format=LAYOUT)

    @staticmethod
    @once_differentiable
    def backward(context: Any, even: Tensor, odd: Tensor) -> Tensor:
        gradient = torch.empty(context.shape, dtype=even.dtype, device=even.device, memory_format=LAYOUT).zero_()
        gradient[:, :, ::2, ::2] = even
        read = gradient[:, :, 1::2, 1::2]
        read.copy_(odd[:, :, : read.shape[2], : read.shape[3]])
        return gradient


class Zero(nn.Module):
    """Zeros of the shape that another operation would have given."""

    def __init__(self, channels_out: int, stride: int) -> None:
        super().__init__()
        self.channels_out = channels_out
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        zeros = x[:, :1, :: self.stride, :: self.stride] * 0
        return zeros.expand(-1, self.channels_out, -1, -1)


@op("identity")
def identity(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The state itself; where channels or resolution differ, ReLU, 1x1 convolution, batch normalisation."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return relu_conv_bn(channels_in, channels_out, 1, stride)


@op("skip_connect")
def skip_connect(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """DARTS' identity: as `identity`, but a factorized reduction where the resolution differs.

    Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
    """
    if stride == 1:
        return identity(channels_in, channels_out, stride)
    return nn.Sequential(nn.ReLU(), FactorizedReduction(channels_in, channels_out))


@op("zero")
def zero(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Nothing: zeros. A cell leaves such an edge out of its sums."""
    return Zero(channels_out, stride)
