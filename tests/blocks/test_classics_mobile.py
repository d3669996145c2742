"""The classic networks for phones, data in `conf/network`: published parameters and operations; scaled, they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nastk.ops.merging import merged_network
from tests.blocks.test_classics import built, classic, macs
from tests.marks import mostly_slow

# Parameters with the classes of the network's file, of the implementation that it names.
PUBLISHED = {
    "efficientnet_b0": 5_288_548,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_v2_s": 21_458_488,
    "fasternet_t0": 3_905_500,
    "mnasnet1_0": 4_383_312,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v4_conv_small": 3_774_024,
    "mobileone_s0": 5_293_272,
    "pp_lcnet_x1_0": 2_953_800,
    "repvgg_a0": 9_108_968,
    "shufflenet_v2_x1_0": 2_278_604,
}
# Millions of multiply-accumulates, and how far they are rounded: of the papers for FasterNet, MobileNetV1, MobileOne,
# RepVGG and ShuffleNet, of torchvision's table of weights for the others.
MEGA_MACS = {
    "efficientnet_b0": (386, 0.5),
    "efficientnet_v2_s": (8366, 0.5),
    "fasternet_t0": (340, 5),
    "mnasnet1_0": (314, 0.5),
    "mobilenet_v1": (569, 0.5),
    "mobilenet_v2": (301, 0.5),
    "mobilenet_v3_large": (217, 0.5),
    "mobilenet_v3_small": (57, 0.5),
    "mobileone_s0": (275, 0.5),
    "repvgg_a0": (1400, 50),
    "shufflenet_v1": (137, 0.5),
    "shufflenet_v2_x1_0": (145, 0.5),
}
# Millions of parameters once branches are merged, of the papers.
MERGED = {"mobileone_s0": 2.1, "repvgg_a0": 8.3}
NAMES = sorted(PUBLISHED | MEGA_MACS)
SMALL_SIDE = 64


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_a_classic_has_its_published_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = built(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("name", "mega"), MEGA_MACS.items())
def test_a_classic_has_its_published_operations(name: str, mega: tuple[float, float]) -> None:
    side = classic(name)["size"]
    with torch.device("meta"):
        found = macs(merged_network(built(name)), torch.empty(1, 3, side, side)) / 1e6
    expected, rounding = mega
    assert abs(found - expected) <= rounding


@pytest.mark.parametrize(("name", "mega"), MERGED.items())
def test_a_classic_of_branches_has_its_published_parameters_once_they_are_merged(name: str, mega: float) -> None:
    with torch.device("meta"):
        network = merged_network(built(name))
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == mega


@pytest.mark.parametrize("name", mostly_slow(NAMES, ("mobilenet_v2", "shufflenet_v1", "fasternet_t0")))
def test_a_classic_maps_its_own_images_to_logits_through_maps_of_a_thirty_second(name: str) -> None:
    content = classic(name)
    side = content["size"]
    with torch.device("meta"):
        network = built(name)
        stages = [stage for stage in network.stages if not isinstance(stage, nn.AdaptiveAvgPool2d)]
        features = nn.Sequential(*stages[: len(network.stages) - _after_pooling(network)])(
            torch.empty(2, 3, side, side)
        )
        assert tuple(features.shape[2:]) == (side // 32, side // 32)
        assert network(torch.empty(2, 3, side, side)).shape == (2, 1000)


def _after_pooling(network: nn.Module) -> int:
    """Returns how many stages there are from the pooling on, 0 where none pools all."""
    kinds = [isinstance(stage, nn.AdaptiveAvgPool2d) for stage in network.stages]
    return len(kinds) - kinds.index(True) if any(kinds) else 0


@pytest.mark.parametrize("name", NAMES)
def test_a_classic_of_a_quarter_width_and_half_depth_learns_on_small_images(name: str) -> None:
    torch.manual_seed(0)
    network = built(name, classes=5, side=SMALL_SIDE, width=0.25, depth=0.5)
    logits = network(torch.randn(4, 3, SMALL_SIDE, SMALL_SIDE))
    assert logits.shape == (4, 5)
    logits.square().sum().backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]
    with torch.device("meta"):
        whole = sum(parameter.numel() for parameter in built(name).parameters())
    assert sum(parameter.numel() for parameter in network.parameters()) < whole / 8
