"""Separable and depthwise convolutions, against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from nastk.ops import build_op
from tests.ops.test_conv import footprint, square

SEPARABLE = [("sep_conv_3x3", 3), ("sep_conv_5x5", 5), ("sep_conv_7x7", 7)]


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


@pytest.mark.parametrize(("name", "kernel"), SEPARABLE)
@pytest.mark.parametrize("stride", [1, 2])
def test_separable_is_the_formula_of_the_paper(name: str, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    module = build_op(name, 4, 6, stride).double().train()
    depth1, point1, depth2, point2 = (conv.weight for conv in convolutions(module))
    x = torch.randn(3, 4, 9, 9, dtype=torch.float64)

    def normalised(y: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(y, None, None, training=True, eps=1e-3)

    y = functional.conv2d(x.relu(), depth1, stride=stride, padding=kernel // 2, groups=4)
    y = normalised(functional.conv2d(y, point1))
    y = functional.conv2d(y.relu(), depth2, padding=kernel // 2, groups=6)
    y = normalised(functional.conv2d(y, point2))
    torch.testing.assert_close(module(x), y)
    assert depth2.shape == (6, 1, kernel, kernel)


@pytest.mark.parametrize(("name", "kernel"), SEPARABLE)
def test_separable_counts_two_depthwise_two_pointwise_and_two_normalisations(name: str, kernel: int) -> None:
    count = sum(weight.numel() for weight in build_op(name, 4, 6, 1).parameters())
    assert count == kernel**2 * 4 + 4 * 6 + 2 * 6 + kernel**2 * 6 + 6 * 6 + 2 * 6


@pytest.mark.parametrize(("name", "kernel"), [("dil_sep_conv_3x3", 3), ("dil_sep_conv_5x5", 5)])
def test_dilated_separable_is_applied_once_with_gaps(name: str, kernel: int) -> None:
    torch.manual_seed(0)
    module = build_op(name, 16, 16, 1)
    assert len(convolutions(module)) == 2
    assert torch.equal(footprint(module, 16), square(kernel - 1, 2))


@pytest.mark.parametrize(("name", "kernel"), [("dw_conv_3x3", 3), ("dw_conv_5x5", 5)])
def test_depthwise_mixes_channels_only_where_their_number_changes(name: str, kernel: int) -> None:
    torch.manual_seed(0)
    module = build_op(name, 16, 16, 1)
    (conv,) = convolutions(module)
    assert conv.groups == 16
    assert torch.equal(footprint(module, 16), square(kernel // 2))
    depth, point = convolutions(build_op(name, 16, 24, 2))
    assert (depth.groups, depth.stride, point.kernel_size, point.out_channels) == (16, (2, 2), (1, 1), 24)
