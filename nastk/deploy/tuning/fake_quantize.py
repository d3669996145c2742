"""Quantizing and dequantizing in float32, with gradients: what an int8 file computes, as training sees it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Jain et al. train steps ten times as fast as weights or faster.
FASTER = 10


class FakeQuantize(nn.Module):
    """Rounds a tensor to the values that its 8 bits can hold, its zero point given, its step learned.

    Forward it is ONNX's QuantizeLinear and DequantizeLinear, bit for bit. Backward, rounding counts as the identity and
    values beyond the range get no gradient (straight-through: Jacob et al., "Quantization and Training of Neural
    Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018). The step's logarithm is trained, so that one
    learning rate suits steps of all magnitudes (Jain et al., "Trained Quantization Thresholds for Accurate and
    Efficient Fixed-Point Inference of Deep Neural Networks", MLSys 2020).

    Args:
        step: of the integers, above 0, from the calibration.
        zero: the integer that stands for 0.
        least, greatest: the integers there are: 0 and 255, or -128 and 127.
    """

    def __init__(self, step: float, zero: int, least: int, greatest: int) -> None:
        super().__init__()
        self.zero = zero
        self.bounds = least - zero, greatest - zero
        self.start: Tensor
        self.register_buffer("start", torch.tensor(step, dtype=torch.float32))
        self.growth = nn.Parameter(torch.zeros(()))

    @property
    def step(self) -> Tensor:
        """The step as it is now."""
        return self.start * (FASTER * self.growth).exp()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _Rounded.apply(x, self.step, *self.bounds)  # type: ignore[no-untyped-call]
        return result


class _Rounded(torch.autograd.Function):
    """Multiples of a step between two bounds. Divides as ONNX does: torch's own op multiplies by the reciprocal."""

    @staticmethod
    def forward(context: Any, x: Tensor, step: Tensor, least: int, greatest: int) -> Tensor:
        result = (x / step).round_().clamp_(least, greatest).mul_(step)
        context.save_for_backward(x, step, result)
        context.bounds = least, greatest
        return result

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, step, result = context.saved_tensors
        least, greatest = context.bounds
        inside = (x >= (least - 0.5) * step) & (x <= (greatest + 0.5) * step)
        passed = gradient * inside
        # Inside, the step moves the rounding error; beyond, it moves the bound.
        on_step = ((gradient * result).sum() - (passed * x).sum()) / step
        return passed, on_step, None, None


def rounded(x: Tensor, step: Tensor) -> Tensor:
    """Returns `x` in whole steps; its gradient passes unchanged, the steps get none."""
    values = x.detach()
    return x + ((values / step).round_().mul_(step) - values)
