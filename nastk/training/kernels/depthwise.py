"""Depthwise convolutions on a CPU whose backward takes the forward's time: equal forms of oneDNN's slow cases.

oneDNN (3.x, x86) has quick kernels for the forward, and for gradients of undilated kernels, of weights at most three
columns wide; elsewhere it computes 16 channels against 16, or matrix products: 4 to 100 times as long as the forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

COLUMNS = 3
LEAST_SIZE = 8  # below, in pixels a side or in numbers, the quicker backward is not quicker: measured
LEAST_NUMBERS = 65_536
LAYOUT = torch.channels_last


def is_slow(module: nn.Module) -> bool:
    """Says whether oneDNN is slow on the backward of this module and `QuickDepthwise` computes the same."""
    if type(module) is not nn.Conv2d:
        return False
    (height, width), (dilation, other), (stride, across) = module.kernel_size, module.dilation, module.stride
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and module.bias is None
        and height == width
        and width % 2 == 1
        and dilation == other
        and stride == across
        and ((dilation == 1 and stride == 1 and width > COLUMNS) or (dilation == 2 and width >= COLUMNS))
        and module.padding_mode == "zeros"
        and module.padding == (dilation * (width - 1) // 2,) * 2
    )


class QuickDepthwise(nn.Conv2d):
    """A depthwise convolution for which `is_slow` holds, with a quicker backward; all else is the same."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return self.forward(input.float())
        if self.dilation[0] == 1 and (input.shape[-1] < LEAST_SIZE or input.numel() < LEAST_NUMBERS):
            return super().forward(input)
        result: Tensor = _Depthwise.apply(input, self.weight, self.stride[0], self.dilation[0])  # type: ignore[no-untyped-call]
        return result


class SingleDepthwise(nn.Conv2d):
    """A depthwise convolution that autocast leaves in float32 where oneDNN is slow on its backward in bfloat16.

    On an AMD EPYC with AVX512_BF16 forward and backward take 1.5 times as long in float32 for a 3x3 kernel of stride 1
    on maps of 12 pixels, but an eighth of the time with stride 2, half of it for a 5x5 kernel, and no less on maps of
    few pixels. Without autocast it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu") or (self._quick_in_bf16 and input.shape[-1] >= LEAST_SIZE):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())

    @property
    def _quick_in_bf16(self) -> bool:
        return (self.kernel_size, self.stride, self.dilation) == ((COLUMNS, COLUMNS), (1, 1), (1, 1))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.stride, context.dilation = stride, dilation
        padding = dilation * (weight.shape[-1] - 1) // 2
        return conv2d(x, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = context.saved_tensors
        stride, dilation = context.stride, context.dilation
        gradient = gradient.contiguous(memory_format=LAYOUT)
        full = gradient if stride == 1 else _spread(gradient, x, stride)
        of_x = _input_gradient(full, weight, dilation) if context.needs_input_grad[0] else None
        of_weight = None
        if context.needs_input_grad[1]:
            if dilation == 2:
                x, full = _interleaved(x), _interleaved(full)
            of_weight = _weight_gradient(x, full, weight)
        return of_x, of_weight, None, None


def _spread(gradient: Tensor, x: Tensor, stride: int) -> Tensor:
    """Returns what the gradient of the same convolution of stride 1 would be: zeros at the pixels left out."""
    full = torch.zeros_like(x, memory_format=LAYOUT)
    full[:, :, ::stride, ::stride] = gradient
    return full


def _input_gradient(gradient: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """Convolves with the mirrored kernel, which is the gradient where the stride is 1 and sizes stay."""
    return conv2d(gradient, weight.flip(2, 3), None, 1, dilation * (weight.shape[-1] - 1) // 2, dilation, len(weight))


def _interleaved(x: Tensor) -> Tensor:
    """Splits images into their four sub-images of every other row and column, on which a dilation of 2 is one of 1."""
    if x.shape[2] % 2 or x.shape[3] % 2:
        x = pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
    count, channels, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width // 2, 2, channels).permute(2, 4, 0, 1, 3, 5)
    return parts.reshape(4 * count, height // 2, width // 2, channels).permute(0, 3, 1, 2)


def _weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Returns the gradient of a kernel (channels, 1, k, k) of stride and dilation 1, three columns at a time."""
    kernel, size = weight.shape[-1], x.shape[-1]
    rows = (kernel - 1) // 2
    if kernel <= COLUMNS or size < LEAST_SIZE:
        return _weight_backward(x, gradient, kernel, (rows, rows))
    starts = range(0, kernel, COLUMNS)
    padded = pad(x, (rows, starts[-1] + COLUMNS - 1 - rows))
    strips = [padded[:, :, :, start : start + size + COLUMNS - 1] for start in starts]
    parts = [_weight_backward(strip.contiguous(memory_format=LAYOUT), gradient, COLUMNS, (rows, 0)) for strip in strips]
    return torch.cat(parts, 3)[:, :, :, :kernel]


def _weight_backward(x: Tensor, gradient: Tensor, columns: int, padding: tuple[int, int]) -> Tensor:
    channels = x.shape[1]
    weight = x.new_empty((channels, 1, 2 * padding[0] + 1, columns))
    once = [1, 1], padding, [1, 1], False, [0, 0], channels, [False, True, False]
    found: Tensor = torch.ops.aten.convolution_backward(gradient, x, weight, None, *once)[1]
    return found
