"""Networks as backbones."""

from __future__ import annotations

import pytest
import torch
from torch import fx

from nastk.errors import UserError
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.features import FeatureInfo, FeatureNetwork
from nastk.networks.stages import StageNetwork, build_stages
from tests.blocks.test_classics import built


def small() -> StageNetwork:
    """Returns a network of total stride 8 whose head must not be taken for a feature map."""
    stages = [{"block": "residual_basic", "width": width, "stride": 2} for width in (8, 16, 24)]
    data = {"kind": "stages", "stages": stages, "head": [{"block": "conv", "width": 64, "kernel": 1}]}
    return build_stages(StageGenotype.from_dict(data), classes=3, channels=3, height=32, width=48)


def test_resnet50_has_the_maps_that_timm_tells() -> None:
    with torch.device("meta"):
        backbone = FeatureNetwork(built("resnet50"), 3, 224, 224)
        maps = backbone(torch.zeros(1, 3, 224, 224))
    assert backbone.info == tuple(map(FeatureInfo, (256, 512, 1024, 2048), (4, 8, 16, 32)))
    assert [tuple(one.shape[1:]) for one in maps] == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


def test_strides_that_are_not_reached_are_left_out_and_a_head_is_no_feature() -> None:
    backbone = FeatureNetwork(small(), 3, 32, 48)
    assert backbone.info == (FeatureInfo(16, 4), FeatureInfo(24, 8))
    assert [tuple(one.shape) for one in backbone(torch.zeros(2, 3, 32, 48))] == [(2, 16, 8, 12), (2, 24, 4, 6)]


def test_a_backbone_can_be_traced_and_trained() -> None:
    backbone = FeatureNetwork(small(), 3, 32, 48)
    images = torch.randn(2, 3, 32, 48)
    for one, other in zip(fx.symbolic_trace(backbone.eval())(images), backbone(images), strict=True):
        torch.testing.assert_close(one, other)
    torch.stack([one.sum() for one in backbone.train()(images)]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_a_resolution_that_is_not_the_images_is_refused_for_no_network_resizes() -> None:
    data = {"kind": "stages", "stages": [{"block": "conv", "width": 8}], "resolution": 16}
    genotype = StageGenotype.from_dict(data)
    assert build_network(genotype, NetworkConfig(size=16))(torch.zeros(1, 3, 16, 16)).shape == (1, 10)
    with pytest.raises(UserError, match=r"resolution=16, for images of 32 pixels.*give data\.resize=16"):
        build_network(genotype, NetworkConfig(size=32))


def test_no_map_of_the_strides_is_said() -> None:
    with pytest.raises(UserError, match="no map of stride 16, 32 for 32x48 pixels"):
        FeatureNetwork(small(), 3, 32, 48, (16, 32))
