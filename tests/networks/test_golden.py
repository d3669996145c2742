"""Published parameters and multiply-accumulates, to the last published digit. None of these numbers is ours.

No network has its auxiliary head here; the mobile one would have 7,701,218 parameters with it. The ImageNet stem is
unpadded, and the first cell reads its 32 or 96 filters as they are, or both counts would be others. MACs are those of
convolutions and linear layers. The paper's 88.9 M count the running statistics of the normalisations, 196,668 of
them, which training does not change; timm's 88,753,150 do not. Keras publishes both sums, and both sums of the mobile
network. Not reproduced: the paper's 27.6 M for NASNet-A 7 @ 2304 on CIFAR-10, where its own skeleton has 32.4 M (and
28.1 M for 6 @ 2304).
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nastk.networks import build_network, count_macs, count_parameters
from tests.networks.named import named


def counts(name: str) -> tuple[int, int, int]:
    """Returns parameters, parameters and running statistics, MACs."""
    genotype, config = named(name)
    with torch.device("meta"):
        network = build_network(genotype, replace(config, auxiliary=False))
    params = count_parameters(network, auxiliary=True)
    statistics = sum(tensor.numel() for key, tensor in network.named_buffers() if "running" in key)
    return params, params + statistics, count_macs(network, config)


def test_nasnet_a_mobile_has_the_papers_5_3_million_parameters_and_564_million_macs() -> None:
    params, with_statistics, macs = counts("nasnet_a_mobile")
    assert (params, with_statistics) == (5_289_978, 5_326_716)
    assert round(params / 1e6, 1) == round(with_statistics / 1e6, 1) == 5.3
    assert round(macs / 1e6) == 564


def test_nasnet_a_large_has_the_papers_88_9_million_parameters_and_23_8_billion_macs() -> None:
    params, with_statistics, macs = counts("nasnet_a_large")
    assert (params, with_statistics) == (88_753_150, 88_949_818)
    assert round(with_statistics / 1e6, 1) == 88.9
    assert round(macs / 1e9, 1) == 23.8


def test_nasnet_a_cifar_has_the_papers_3_3_million_parameters() -> None:
    assert round(counts("nasnet_a_cifar")[0] / 1e6, 1) == 3.3


def test_darts_second_order_has_the_3_349342_million_parameters_that_its_authors_code_prints() -> None:
    assert counts("darts_v2")[0] == 3_349_342


@pytest.mark.parametrize(("filters", "penultimate"), [(32, 768), (44, 1056), (168, 4032)])
def test_the_penultimate_layer_has_24_times_the_filters(filters: int, penultimate: int) -> None:
    genotype, config = named("nasnet_a_mobile")
    with torch.device("meta"):
        network = build_network(genotype, replace(config, filters=filters, cells=1))
    assert network.head[-1].in_features == penultimate
