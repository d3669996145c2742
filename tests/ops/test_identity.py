"""The factorized reduction against the reference's way of writing it, and the forms of identity and zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from nastk.ops import build_op
from nastk.ops.identity import FactorizedReduction


@pytest.mark.parametrize("size", [8, 7, 1])
@pytest.mark.parametrize("channels_out", [6, 7])
def test_factorized_reduction_is_two_offset_pools_two_convolutions_one_normalisation(
    size: int, channels_out: int
) -> None:
    torch.manual_seed(0)
    module = FactorizedReduction(4, channels_out).double().train()
    even, odd = (part.weight for part in module.modules() if isinstance(part, nn.Conv2d))
    x = torch.randn(5, 4, size, size, dtype=torch.float64)
    shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    paths = [
        functional.conv2d(functional.avg_pool2d(path, 1, 2), weight) for path, weight in [(x, even), (shifted, odd)]
    ]
    expected = functional.batch_norm(torch.cat(paths, 1), None, None, training=True, eps=1e-3)
    torch.testing.assert_close(module(x), expected)
    assert sum(weight.numel() for weight in module.parameters()) == 4 * channels_out + 2 * channels_out


def test_factorized_reduction_reads_two_of_every_four_pixels() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 8, 8, requires_grad=True)
    FactorizedReduction(8, 8).eval()(x).pow(2).sum().backward()
    assert x.grad is not None
    read = x.grad.abs().sum((0, 1)) > 0
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[::2, ::2] = True
    expected[1::2, 1::2] = True
    assert torch.equal(read, expected)


@pytest.mark.parametrize("size", [8, 7, 2, 1])
def test_factorized_reduction_has_the_same_gradients_in_training_as_its_slices_have(size: int) -> None:
    torch.manual_seed(0)
    module = FactorizedReduction(3, 4).double()
    found = []
    for slices in (True, False):
        x = torch.randn(4, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        result = torch.cat((module.even(x), module.odd(x[:, :, 1:, 1:])), 1) if slices else module.train()(x)
        towards = torch.randn(result.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        found.append((result, *torch.autograd.grad(result, [x, *module.parameters()], towards)))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("name", ["identity", "skip_connect"])
def test_identity_costs_nothing_where_shapes_agree(name: str) -> None:
    assert isinstance(build_op(name, 8, 8, 1), nn.Identity)
    assert len(list(build_op(name, 8, 6, 1).parameters())) == 3


def test_skip_connect_reduces_by_a_factorized_reduction_and_identity_by_a_strided_convolution() -> None:
    assert [type(part) for part in build_op("skip_connect", 8, 8, 2)] == [nn.ReLU, FactorizedReduction]
    assert [type(part) for part in build_op("identity", 8, 8, 2)] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]


@pytest.mark.parametrize("channels_out", [8, 12])
def test_zero_is_zero_in_value_and_in_gradient(channels_out: int) -> None:
    x = torch.randn(2, 8, 7, 7, requires_grad=True)
    y = build_op("zero", 8, channels_out, 2)(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, channels_out, 4, 4))
    assert torch.equal(x.grad, torch.zeros_like(x))
