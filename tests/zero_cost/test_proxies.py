"""Each zero-cost proxy gives the number of its paper's formula, and leaves the network as it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nastk.networks import NetworkConfig, build_network
from nastk.spaces import from_arch_string
from nastk.zero_cost.proxies import PROXIES

CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"


def network(cell: str = CELL) -> nn.Module:
    torch.manual_seed(1)
    return build_network(from_arch_string(cell), NetworkConfig(cells=1, filters=4, size=8))


def batch(count: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 8, 8, generator=generator), torch.arange(count) % 10


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_is_finite_repeatable_and_changes_nothing(name: str) -> None:
    one, before = network(), network().state_dict()
    states, generator = [part.training for part in one.modules()], torch.get_rng_state()
    first, second = PROXIES[name](one, *batch()), PROXIES[name](one, *batch())
    assert math.isfinite(first) and first == second
    assert all(torch.equal(value, before[key]) for key, value in one.state_dict().items())
    assert [part.training for part in one.modules()] == states
    assert all(weight.grad is None for weight in one.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(part._forward_hooks for part in one.modules())


@pytest.mark.parametrize(("name", "score"), [("naswot", -math.inf), ("synflow", 0.0), ("logsynflow", 0.0)])
def test_a_cell_that_lets_nothing_through_scores_as_low_as_can_be(name: str, score: float) -> None:
    cut = nn.Sequential(Zero(), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 8 * 8, 10, bias=False))
    assert PROXIES[name](cut, *batch()) == score


def test_of_one_linear_layer_each_proxy_is_what_can_be_written_down() -> None:
    layer = nn.Linear(3, 2, bias=False)
    weight = layer.weight.detach().double().numpy()
    images, labels = torch.tensor([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0]]), torch.tensor([0, 1])
    x = images.double().numpy()
    scores = np.exp(x @ weight.T)
    by_logit = (scores / scores.sum(1, keepdims=True) - np.eye(2)) / 2
    gradient = by_logit.T @ x
    expected = {
        "synflow": np.abs(weight).sum(),  # the gradient is the image of ones
        "logsynflow": np.abs(weight).sum() * math.log(2),
        "grad_norm": np.linalg.norm(gradient),
        "snip": np.abs(weight * gradient).sum(),
        "fisher": ((x @ weight.T * by_logit) ** 2).mean(0).sum() / 2,
        "params": 6,
    }
    found = {name: PROXIES[name](layer, images, labels) for name in expected}
    assert found == pytest.approx(expected, rel=1e-5)


def test_naswot_is_the_determinant_of_agreeing_units() -> None:
    images = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])
    agreeing = np.array([[3, 2, 1], [2, 3, 0], [1, 0, 3]])
    found = PROXIES["naswot"](nn.ReLU(), images, torch.zeros(3, dtype=torch.int64))
    assert found == pytest.approx(math.log(np.linalg.det(agreeing)))


def test_uncorrelated_gradients_score_higher_than_like_ones() -> None:
    images, labels = batch()
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))  # all images have one gradient
    assert PROXIES["jacob_cov"](network(), images, labels) > PROXIES["jacob_cov"](linear, images, labels)


class Zero(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * 0.0
