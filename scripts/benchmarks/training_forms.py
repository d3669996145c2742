"""Single operations in torch's own form and in an equal one, forward and backward, those that were not kept too."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from training_sides import CPU, torch_forms

from nastk.ops.conv import EPSILON, MOMENTUM, batch_norm, depthwise
from nastk.ops.identity import FactorizedReduction
from nastk.training.kernels.quick_forms import quick_forms

SHAPES = ((64, 16, 32, 32), (64, 32, 16, 16), (64, 64, 8, 8))


@dataclass(frozen=True)
class Form:
    """A module, and another form of it: `other`, or what training puts in its place."""

    name: str
    make: Callable[[int], nn.Module]
    other: Callable[[nn.Module], Callable[[Tensor], Tensor]] | None = None


class FoldedNorm(torch.autograd.Function):
    """Batch norm in training on (N, W * C, H, 1): statistics of each column, put together; longer inner loops."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        width = x.shape[3]
        mean, variance = (
            part.view(width, -1) for part in torch.batch_norm_update_stats(_fold(x), None, None, MOMENTUM)
        )
        variance = variance.mean(0) + mean.var(0, correction=0)
        mean = mean.mean(0)
        context.save_for_backward(x, weight, mean, variance)
        repeated = [value.repeat(width) for value in (weight, bias, mean, variance)]
        result: Tensor = torch.native_batch_norm(_fold(x), *repeated, False, MOMENTUM, EPSILON)[0]
        return _unfold(result, x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, mean, variance = context.saved_tensors
        width, count = x.shape[3], x.numel() // x.shape[1]
        gradient, folded = _fold(gradients[0].contiguous(memory_format=torch.channels_last)), _fold(x)
        repeated = [value.repeat(width) for value in (weight, mean, variance)]
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, folded, *repeated, None, None, False, EPSILON, [False, True, True]
        )
        of_weight, of_bias = of_weight.view(width, -1).sum(0), of_bias.view(width, -1).sum(0)
        scale = weight * (variance + EPSILON).rsqrt()
        slope = -scale * (variance + EPSILON).rsqrt() * of_weight / count
        offset = -scale * of_bias / count - slope * mean
        wide = [value.repeat(width)[None, :, None, None] for value in (offset, slope, scale)]
        return _unfold(torch.addcmul(wide[0], folded, wide[1]).addcmul_(gradient, wide[2]), x), of_weight, of_bias


def _fold(x: Tensor) -> Tensor:
    count, channels, height, width = x.shape
    return x.permute(0, 2, 3, 1).reshape(count, height, 1, width * channels).permute(0, 3, 1, 2)


def _unfold(folded: Tensor, like: Tensor) -> Tensor:
    count, channels, height, width = like.shape
    return folded.permute(0, 2, 3, 1).reshape(count, height, width, channels).permute(0, 3, 1, 2)


def _rows_then_columns(pool: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: max_pool2d(max_pool2d(x, (1, 3), 1, (0, 1)), (3, 1), 1, (1, 0))


def _folded(norm: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: FoldedNorm.apply(x, norm.weight, norm.bias)  # type: ignore[no-any-return,no-untyped-call]


FORMS = (
    Form("depthwise 5x5", lambda channels: depthwise(channels, 5)),
    Form("depthwise 7x7", lambda channels: depthwise(channels, 7)),
    Form("depthwise 3x3, dilation 2", lambda channels: depthwise(channels, 3, 1, 2)),
    Form("depthwise 3x3, dilation 2, stride 2", lambda channels: depthwise(channels, 3, 2, 2)),
    Form("depthwise 5x5, dilation 2", lambda channels: depthwise(channels, 5, 1, 2)),
    Form("max pooling 5x5", lambda channels: nn.MaxPool2d(5, 1, 2)),
    Form("max pooling 7x7", lambda channels: nn.MaxPool2d(7, 1, 3)),
    Form("factorized reduction", lambda channels: FactorizedReduction(channels, channels)),
    Form("max pooling 3x3 by rows and columns (not kept)", lambda channels: nn.MaxPool2d(3, 1, 1), _rows_then_columns),
    Form("batch norm with columns folded into channels (not kept)", batch_norm, _folded),
)


def keep_memory() -> None:
    """Lets glibc keep what is freed, as it does within a training; a single operation's tensors would be new pages."""
    with contextlib.suppress(OSError, AttributeError):
        for setting, size in ((-3, 2**30), (-1, 2**31 - 1)):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            ctypes.CDLL(None).mallopt(setting, size)


def compare(form: Form, shape: tuple[int, int, int, int], repeats: int) -> tuple[float, float, float]:
    """Returns the least milliseconds of torch's own form and of the other, and how far gradients are apart."""
    torch.manual_seed(0)
    module = form.make(shape[1]).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch_forms():
        plain, expected = _timed(module, x, module, repeats)
    with quick_forms(module, CPU):
        other, found = _timed(module if form.other is None else form.other(module), x, module, repeats)
    apart = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
    return plain, other, apart


def _timed(run: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module, repeats: int) -> tuple[float, list[Tensor]]:
    wanted = [x, *module.parameters()]
    towards = torch.randn(run(x).shape, generator=torch.Generator().manual_seed(1))
    towards = towards.contiguous(memory_format=torch.channels_last)
    times, found = [], []
    for _ in range(repeats):
        start = time.process_time()
        found = list(torch.autograd.grad(run(x), wanted, towards))
        times.append(time.process_time() - start)
    return 1e3 * min(times), found
