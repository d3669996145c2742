"""Counting: against sums written out by hand, without touching the network."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from tests.networks.named import SPACES, drawn

SMALL = NetworkConfig(cells=1, filters=8, channels=1, size=8)


def test_macs_of_a_network_small_enough_to_write_out() -> None:
    cell = Cell(1, (Node((Edge(0, "conv_3x3"), Edge(0, "avg_pool_3x3"), Edge(0, "squeeze_excitation"))),), (1,))
    config = NetworkConfig(cells=1, filters=8, channels=3, size=8, classes=5)
    network = build_network(CellGenotype("nasbench201", (("normal", cell),)), config)
    expected = 9 * 3 * 8 * 64 + 32 * 5
    for filters, pixels in [(8, 64), (16, 16), (32, 4)]:
        expected += 9 * filters**2 * pixels + 2 * filters * max(filters // 4, 4)
    for filters, pixels in [(8, 16), (16, 4)]:
        wide = 2 * filters
        expected += (9 * filters * wide + 9 * wide**2 + filters * wide) * pixels
    assert count_macs(network, config) == expected


def test_parameters_with_and_without_the_auxiliary_head() -> None:
    config = replace(SMALL, auxiliary=True)
    network = build_network(drawn("nasnet", 0), config)
    auxiliary = sum(weight.numel() for weight in network.auxiliary.parameters())
    assert count_parameters(network, auxiliary=True) == count_parameters(network, auxiliary=False) + auxiliary
    without = build_network(drawn("nasnet", 0), SMALL)
    assert count_parameters(network, auxiliary=False) == count_parameters(without, auxiliary=True)
    assert count_macs(network, config) == count_macs(without, SMALL)


@pytest.mark.parametrize("skeleton", sorted(SPACES))
@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_network_as_it_was(skeleton: str, training: bool) -> None:
    network = build_network(drawn(skeleton, 0), replace(SMALL, auxiliary=True, drop_path=0.2)).train(training)
    network.stages[0].eval()
    modes = [part.training for part in network.modules()]
    before = copy.deepcopy(network.state_dict())
    count_macs(network, SMALL)
    assert [part.training for part in network.modules()] == modes
    for name, tensor in network.state_dict().items():
        assert tensor.device == before[name].device
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("skeleton", sorted(SPACES))
def test_macs_on_the_meta_device_are_those_of_a_real_run(skeleton: str) -> None:
    genotype = drawn(skeleton, 1)
    with torch.device("meta"):
        empty = build_network(genotype, SMALL)
    network = build_network(genotype, SMALL).eval()
    seen = []

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        seen.append(output[0].numel() * module.weight[0].numel())

    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(count)
    network(torch.randn(1, 1, 8, 8))
    expected = sum(seen)
    assert count_macs(empty, SMALL) == count_macs(network, SMALL) == expected


@pytest.mark.parametrize("skeleton", sorted(SPACES))
def test_macs_in_inference_mode_are_the_same(skeleton: str) -> None:
    genotype = drawn(skeleton, 1)
    network = build_network(genotype, SMALL)
    expected = count_macs(network, SMALL)
    with torch.inference_mode():
        with torch.device("meta"):
            empty = build_network(genotype, SMALL)
        assert count_macs(network, SMALL) == count_macs(empty, SMALL) == expected > 0
