"""Rows of a table of layers: they add up, for every named network in its small form, and say what each is."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nastk.deploy.onnx.layer_rows import block_rows, layer_rows
from nastk.genotype import Genotype
from nastk.jobs.describe_list import network_files
from nastk.jobs.small_form import small_form
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.networks.count import without_content
from nastk.networks.parts import parts_of
from tests.marks import mostly_slow
from tests.networks.named import drawn, named

USUAL = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "mobileone_s0", "nasnet_a_cifar", "dpn68")


def small(name: str) -> tuple[Genotype, NetworkConfig]:
    genotype, config = named(name)
    config = dataclasses.replace(config, height=32, width=32, auxiliary=False).complete(genotype.plan)
    return small_form(genotype, config)


@pytest.mark.parametrize("name", mostly_slow(network_files(), USUAL))
def test_the_rows_of_a_network_add_up_to_its_parameters_and_macs(name: str) -> None:
    genotype, config = small(name)
    with without_content():
        network = build_network(genotype, config)
    totals = count_parameters(network, auxiliary=False), count_macs(network, config)
    parts = parts_of(network, genotype, config)
    blocks, layers = block_rows(network, config, parts), layer_rows(network, config)
    for rows in (blocks, layers):
        assert (sum(row.params for row in rows), sum(row.macs for row in rows)) == totals
        assert all(row.output for row in rows)
    assert [row.name for row in blocks] == list(parts)
    assert blocks[-1].output == layers[-1].output == (config.classes,)
    assert sorted(call for row in blocks for call in row.calls) == sorted(call for row in layers for call in row.calls)


def test_weights_that_are_not_run_have_a_row_of_their_own() -> None:
    genotype = drawn("nasbench201", 0)
    config = NetworkConfig(cells=1, filters=8, size=8).complete(genotype.plan)
    with without_content():
        network = build_network(genotype, config)
        network.head.append(torch.nn.Identity())
        network.register_module("spare", torch.nn.Linear(3, 2))
    *run, left = layer_rows(network, config)
    assert (left.kind, left.params, left.macs, left.output) == ("not run", 8, 0, ())
    assert sum(row.params for row in run) == count_parameters(network, auxiliary=False) - 8


def test_a_layer_says_what_it_is_and_what_comes_out() -> None:
    genotype, config = small("mobilenet_v3_small")
    with without_content():
        network = build_network(genotype, config)
    kinds = {(row.kind, row.output) for row in layer_rows(network, config)}
    assert ("conv 3x3", (16, 32, 32)) in kinds
    assert ("depthwise conv 5x5, stride 2", (96, 8, 8)) in kinds
    assert ("global average pool", (576, 1, 1)) in kinds
    assert ("linear", (1000,)) in kinds
    assert network.training


def test_building_without_content_makes_the_same_shapes() -> None:
    genotype, config = small("mobilenet_v3_small")
    with without_content():
        network = build_network(genotype, config)
    torch.manual_seed(0)
    real = build_network(genotype, config)
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == {
        name: tensor.shape for name, tensor in real.state_dict().items()
    }
    assert all(tensor.is_meta for tensor in network.state_dict().values())
