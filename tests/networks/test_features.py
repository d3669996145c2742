"""Networks as backbones."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from nastk.errors import UserError
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.features import STRIDES, FeatureInfo, FeatureNetwork
from nastk.networks.stages import StageNetwork, build_stages
from tests.networks.named import FOLDER, named


def small() -> StageNetwork:
    """Returns a network of total stride 8 whose head must not be taken for a feature map."""
    stages = [{"block": "residual_basic", "width": width, "stride": 2} for width in (8, 16, 24)]
    data = {"kind": "stages", "stages": stages, "head": [{"block": "conv", "width": 64, "kernel": 1}]}
    return build_stages(StageGenotype.from_dict(data), classes=3, channels=3, height=32, width=48)


# Channels at strides 4, 8, 16 and 32, as `timm.create_model(..., features_only=True).feature_info.channels()` has them.
TIMM = {
    "resnet18": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "mobilenet_v2": (24, 32, 96, 320),
    "efficientnet_b0": (24, 40, 112, 320),
    "densenet121": (256, 512, 1024, 1024),
    "vgg16": (256, 512, 512, 512),
}
# What is not padded loses pixels at the borders; what is for small images keeps their size longer.
SOME_STRIDES = {
    "squeezenet1_0": (4, 8, 16),
    "squeezenet1_1": (4, 8, 16),
    "preactresnet18": (4, 8),
    "nasnet_a_cifar": (4,),
    "darts_v2": (4,),
}
LONG = ("nasnet_a_cifar", "nasnet_a_large", "darts_v2", "senet154", "mobileone_s0", "efficientnet_v2_s")  # to build
CLASSICS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "default")


def backbone_of(name: str, side: int) -> FeatureNetwork:
    genotype, config = named(name)
    with torch.device("meta"):
        return FeatureNetwork(build_network(genotype, config), 3, side, side)


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] * (one in LONG)) for one in CLASSICS])
def test_every_known_network_is_a_backbone_with_the_channels_that_timm_tells(name: str) -> None:
    info = backbone_of(name, 64).info
    assert tuple(one.stride for one in info) == SOME_STRIDES.get(name, STRIDES)
    if name in TIMM:
        assert tuple(one.channels for one in info) == TIMM[name]
        assert all(one.height == one.width == 64 // one.stride for one in info)


def test_strides_are_the_windows_where_no_size_tells_them() -> None:
    """AlexNet's windows are not padded: of 224 pixels it leaves 55, 27, 13 and 6."""
    info = backbone_of("alexnet", 224).info
    assert [(one.stride, one.height) for one in info] == [(4, 55), (8, 27), (16, 13), (32, 6)]


def test_strides_that_are_not_reached_are_left_out_and_a_head_is_no_feature() -> None:
    backbone = FeatureNetwork(small(), 3, 32, 48)
    assert backbone.info == (FeatureInfo(16, 4, 8, 12), FeatureInfo(24, 8, 4, 6))
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


def test_images_with_fewer_pixels_than_one_of_the_last_map_are_refused() -> None:
    backbone = FeatureNetwork(small(), 3, 8, 16)
    assert [one.stride for one in backbone.info] == [4, 8]
    with pytest.raises(UserError, match="images of 7x16 pixels, expected at least 8 a side"):
        FeatureNetwork(small(), 3, 7, 16)
    with pytest.raises(UserError, match="images of 4x4 pixels do not go through"):
        backbone_of("xception", 4)


def test_a_network_without_stages_has_no_feature_maps() -> None:
    with pytest.raises(UserError, match="features: Linear has no feature maps"):
        FeatureNetwork(nn.Linear(3, 3), 3, 32, 32)


def test_looking_for_the_maps_leaves_weights_statistics_and_mode_as_they_were() -> None:
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    backbone = FeatureNetwork(network, 3, 32, 48)
    assert backbone.training
    after = backbone.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after)
