"""Squeeze-and-excitation: a factor a channel, computed from the means."""

from __future__ import annotations

import pytest
import torch

from nastk.ops import build_op
from nastk.ops.attention import Gate


@pytest.mark.parametrize(("channels", "hidden"), [(4, 4), (16, 4), (64, 16)])
def test_gate_reduces_by_four_but_not_below_four(channels: int, hidden: int) -> None:
    assert sum(weight.numel() for weight in Gate(channels).parameters()) == 2 * channels * hidden + channels + hidden


def test_scales_each_channel_as_a_whole_by_a_factor_between_0_and_1() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 8, 6, 6)
    factors = build_op("squeeze_excitation", 8, 8, 1)(x) / x
    torch.testing.assert_close(factors, factors.mean((2, 3), keepdim=True).expand_as(factors), rtol=1e-4, atol=1e-4)
    assert factors.min() > 0 and factors.max() < 1


def test_the_factor_depends_on_the_image() -> None:
    torch.manual_seed(0)
    gate = Gate(16)
    x = torch.randn(2, 16, 6, 6)
    factors = (gate(x) / x).mean((2, 3))
    assert (factors[0] - factors[1]).abs().max() > 1e-4


def test_no_fresh_gate_is_dead() -> None:
    x = torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    for seed in range(100):
        torch.manual_seed(seed)
        gate = Gate(8)
        gate(x).sum().backward()
        assert gate.weigh[1].weight.grad.abs().sum() > 0, seed


def test_strided_averages_the_pixels_it_leaves_out() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 8, 8, requires_grad=True)
    module = build_op("squeeze_excitation", 8, 8, 2)
    module(x)[0, :, 1, 1].sum().backward()
    assert x.grad is not None
    assert (x.grad[0, :, 1:4, 1:4].abs().sum(0) > x.grad[0, :, 6, 6].abs().sum()).all()
