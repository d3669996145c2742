"""Plain and factorised convolutions: what they read, in which order their parts stand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nastk.ops import build_op
from nastk.ops.conv import EPSILON, batch_norm


def footprint(module: nn.Module, channels: int, size: int = 15) -> Tensor:
    """Returns the offsets (row, column) of the pixels that the middle pixel of the output depends on."""
    x = torch.rand(1, channels, size, size).add_(0.1).requires_grad_()
    y = module.eval()(x)
    y[:, :, size // 2, size // 2].pow(2).sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1)).nonzero() - size // 2


def square(radius: int, step: int = 1) -> Tensor:
    offsets = range(-radius, radius + 1, step)
    return torch.tensor([[row, column] for row in offsets for column in offsets])


@pytest.mark.parametrize(
    ("name", "radius", "step"),
    [("conv_1x1", 0, 1), ("conv_3x3", 1, 1), ("dil_conv_3x3", 2, 2), ("conv_1x3_3x1", 1, 1), ("conv_1x7_7x1", 3, 1)],
)
def test_reads_the_pixels_its_name_says(name: str, radius: int, step: int) -> None:
    torch.manual_seed(0)
    assert torch.equal(footprint(build_op(name, 16, 16, 1), 16), square(radius, step))


@pytest.mark.parametrize("name", ["conv_1x1", "conv_3x3", "dil_conv_3x3", "conv_1x3_3x1", "conv_1x7_7x1"])
def test_activates_before_the_convolution_and_normalises_after_it(name: str) -> None:
    parts = list(build_op(name, 4, 6, 1))
    assert isinstance(parts[0], nn.ReLU)
    assert all(isinstance(part, nn.Conv2d) and part.bias is None for part in parts[1:-1])
    assert isinstance(parts[-1], nn.BatchNorm2d)
    assert parts[-1].num_features == 6


@pytest.mark.parametrize(("name", "kernel"), [("conv_1x3_3x1", 3), ("conv_1x7_7x1", 7)])
def test_row_then_column_has_the_weights_of_two_lines(name: str, kernel: int) -> None:
    count = sum(weight.numel() for weight in build_op(name, 4, 6, 2).parameters())
    assert count == kernel * 4 * 6 + kernel * 6 * 6 + 2 * 6


def test_statistics_follow_the_data_within_a_short_training() -> None:
    norm = batch_norm(1)
    assert norm.eps == EPSILON == 1e-3
    x = torch.full((4, 1, 8, 8), 5.0)
    for _ in range(50):
        norm(x)
    assert norm.running_mean.item() == pytest.approx(5, abs=0.05)
