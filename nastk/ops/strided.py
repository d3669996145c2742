"""1x1 convolutions with a stride, trained on the pixels that they read: in torch's own form they damage the heap.

What: the gradient by the weight of such a convolution, on images that lie channels last and have fewer channels than a
vector of the CPU has numbers (16 with AVX-512, 8 with AVX2). oneDNN's kernel for it (`jit_1x1`, `backward_weights`)
first gathers the pixels that the stride leaves. The room for them is counted by the channels that there are, but filled
in steps of a whole vector, so from the second block of pixels on it writes past the end: 4 channels of 56 x 56 pixels
are enough with AVX-512. malloc aborts, the process gets SIGSEGV, or another tensor changes in silence.

Which: torch 2.13.0 with oneDNN 3.12.0, on CPUs of x86; it is known there (uxlfoundation/oneDNN, issue 6035). Not
affected: a stride of 1, other kernels, the default layout, the forward, the gradient by the image.

How it was found: of a network that crashed, `ONEDNN_VERBOSE=1` printed the primitive before; with a malloc that puts
a page without access behind each block the crash came in the first step, always in this call, and in no other of all
operations at many sizes; and the call alone does the same.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d

LAYOUT = torch.channels_last
LANES = 16  # numbers of a vector; from so many channels on there is room enough


def trained_on_pixels(conv: nn.Conv2d) -> nn.Conv2d:
    """Returns `conv`; where it is of the form that does damage, it is from now on trained without a stride.

    It remains a Conv2d with its weight and stride, for whoever exports or counts it. Values and gradients are the same
    but for rounding, in 0.6 to 0.8 of the time.
    """
    strided = conv.kernel_size == (1, 1) and max(conv.stride) > 1
    if strided and conv.padding == (0, 0) and conv.groups == 1 and conv.in_channels < LANES:
        conv._conv_forward = functools.partial(_forward, conv.stride)  # type: ignore[method-assign]
    return conv


def _forward(stride: tuple[int, ...], input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    trains = torch.is_grad_enabled() and weight.requires_grad
    if trains and input.device.type == "cpu" and not torch.compiler.is_compiling():
        return conv2d(_Pixels.apply(input, stride), weight, bias)  # type: ignore[no-untyped-call]
    return conv2d(input, weight, bias, stride)


class _Pixels(torch.autograd.Function):
    """The pixels that a stride leaves. A slice's own backward makes its gradient in the default layout."""

    @staticmethod
    def forward(context: Any, x: Tensor, stride: tuple[int, ...]) -> Tensor:
        context.shape, context.stride = x.shape, stride
        return x[:, :, :: stride[0], :: stride[1]].contiguous(memory_format=LAYOUT)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        down, across = context.stride
        whole = torch.empty(context.shape, dtype=gradient.dtype, device=gradient.device, memory_format=LAYOUT).zero_()
        whole[:, :, ::down, ::across] = gradient
        return whole, None
