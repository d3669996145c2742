"""Muon's steps: how long, in which directions, of which weights; what a step may not change."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nastk.training.muon import KERNELS, MOMENTUM, OTHERS, Muon, muon_groups, orthogonal

RATE = 0.05


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 1, bias=True),
        nn.Flatten(),
        nn.Linear(64, 5),
    ).to(memory_format=torch.channels_last)


def with_gradients(made: nn.Module, seed: int = 1) -> None:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(16, 3, 8, 8, generator=draw).contiguous(memory_format=torch.channels_last)
    made.zero_grad()
    cross_entropy(made(images), torch.randint(5, (16,), generator=draw)).backward()


def begun() -> tuple[nn.Sequential, Muon]:
    made = network()
    with_gradients(made)
    return made, Muon(muon_groups(made, 0.01), RATE, 0.9)


@pytest.mark.parametrize("shape", [(4, 16), (16, 4), (3, 5, 7), (6, 6)])
def test_singular_values_come_near_one_and_the_vectors_stay(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    found = left.mT @ orthogonal(matrices) @ right.mT
    places = torch.diagonal(found, dim1=-2, dim2=-1)
    large = values > 0.2 * values.max()
    assert (places[large] > 0.5).all()
    assert (places < 1.3).all()
    assert (found - torch.diag_embed(places)).abs().max() < 1e-4


def test_a_matrix_of_one_row_has_length_one_afterwards_and_zeros_stay() -> None:
    row = torch.tensor([[3.0, 4.0]])
    assert torch.allclose(orthogonal(row), torch.tensor([[0.6, 0.8]]))
    assert not orthogonal(torch.zeros(2, 3)).any()


def test_kernels_are_convolutions_without_a_bias_and_all_others_are_descended() -> None:
    made = network()
    with_gradients(made)
    kernels, weights, free = muon_groups(made, 0.01)
    assert {id(one) for one in kernels["params"]} == {id(made[0].weight), id(made[3].weight)}
    assert kernels[KERNELS] == [1, 8]
    assert {id(one) for one in weights["params"]} == {id(made[5].weight), id(made[7].weight)}
    assert (kernels["weight_decay"], weights["weight_decay"], free["weight_decay"]) == (0, 0.01, 0)
    assert sum(len(one["params"]) for one in (kernels, weights, free)) == len(list(made.parameters()))


def test_a_step_turns_a_kernel_by_the_rate_and_keeps_its_norm() -> None:
    made, optimizer = begun()
    for layer, rows in ((made[0], 8), (made[3], 1)):
        before = layer.weight.detach().clone()
        gradient = layer.weight.grad.clone()
        optimizer.step()
        assert float(layer.weight.norm()) == pytest.approx(float(before.norm()), rel=1e-5)
        moved = (layer.weight - before).norm() / before.norm()
        assert 0.6 * RATE < float(moved) < 1.2 * RATE
        assert float(((layer.weight - before) * gradient).sum()) < 0, rows


def test_each_channel_of_a_depthwise_kernel_turns_alike() -> None:
    made, optimizer = begun()
    made[3].weight.grad *= torch.logspace(-3, 3, 8)[:, None, None, None]
    before = made[3].weight.detach().clone()
    optimizer.step()
    back = made[3].weight * (before.norm() / made[3].weight.norm())
    assert (back - before).flatten(1).norm(dim=1).std() < 0.2 * (back - before).flatten(1).norm(dim=1).mean()


def test_all_else_is_descended_with_nesterovs_momentum_and_decay_in_the_gradient() -> None:
    made, optimizer = begun()
    weight = made[7].weight
    before, gradient = weight.detach().clone(), weight.grad + 0.01 * weight.detach()
    optimizer.step()
    assert torch.allclose(weight, before - OTHERS * RATE * (gradient + 0.9 * gradient), atol=1e-6)


def test_momentum_is_remembered_and_a_weight_without_a_gradient_stays() -> None:
    made, optimizer = begun()
    first = made[0].weight.grad.clone()
    optimizer.step()
    with_gradients(made, 2)
    second = made[0].weight.grad.clone()
    made[3].weight.grad = None
    still = made[3].weight.detach().clone()
    optimizer.step()
    assert torch.allclose(optimizer.state[made[0].weight]["momentum_buffer"], MOMENTUM * first + second, atol=1e-7)
    assert torch.equal(made[3].weight, still)


def test_a_kernel_of_zeros_stays_one() -> None:
    made, optimizer = begun()
    made[0].weight.data.zero_()
    optimizer.step()
    assert not made[0].weight.any()


def test_a_network_whose_weights_are_all_kept_has_no_groups_and_a_closure_is_called() -> None:
    made = network()
    with_gradients(made)
    assert muon_groups(made.requires_grad_(False), 0.01) == []
    made, optimizer = begun()
    assert optimizer.step(lambda: 7.0) == 7.0
