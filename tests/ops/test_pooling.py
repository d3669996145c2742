"""Pooling at the border, where implementations differ, and the matching of channels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nastk.ops import build_op

POOLS = ["avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7"]


@pytest.mark.parametrize("stride", [1, 2])
def test_average_does_not_count_the_padding(stride: int) -> None:
    ones = torch.ones(1, 2, 7, 7)
    assert torch.equal(build_op("avg_pool_3x3", 2, 2, stride)(ones), ones[:, :, ::stride, ::stride])


@pytest.mark.parametrize("name", POOLS[1:])
@pytest.mark.parametrize("stride", [1, 2])
def test_maximum_never_takes_the_padding(name: str, stride: int) -> None:
    x = -torch.rand(1, 2, 7, 7) - 1
    assert build_op(name, 2, 2, stride)(x).max() <= -1


@pytest.mark.parametrize("name", POOLS)
def test_each_output_pools_the_square_around_it(name: str) -> None:
    kernel = int(name[-1])
    x = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    pooled = build_op(name, 1, 1, 1)(x)
    for row, column in [(0, 0), (4, 4), (8, 3)]:
        reach = kernel // 2
        window = x[0, 0, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        expected = window.mean() if name.startswith("avg") else window.max()
        torch.testing.assert_close(pooled[0, 0, row, column], expected)


@pytest.mark.parametrize("name", POOLS)
def test_other_channels_come_by_a_1x1_convolution_after_the_pooling(name: str) -> None:
    module = build_op(name, 4, 6, 2)
    kinds = [type(part) for part in module]
    assert kinds[1:] == [nn.Conv2d, nn.BatchNorm2d]
    assert module[1].kernel_size == (1, 1) and module[1].stride == (1, 1)
