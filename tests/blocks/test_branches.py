"""What inception, fire, separable and plain blocks compute, and what width does to them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nastk.blocks.classifiers import pooled
from nastk.errors import UserError
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import StageNetwork, build_stages
from tests.blocks.stage import stage

INCEPTION = Stage("inception", options=(("branches", (16, 24, 32, 8, 16, 64)),))


def network(*stages: Stage, **keywords: Any) -> StageNetwork:
    """Returns a network of the stages for images of 16 pixels."""
    return build_stages(StageGenotype(stages), classes=3, channels=3, height=16, width=16, **keywords)


def widths(module: nn.Module) -> list[int]:
    """Returns the channels that each convolution gives."""
    return [layer.out_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def test_inception_concatenates_its_four_branches_and_repeats_on_their_sum() -> None:
    module = stage("inception", 12, 0, depth=2, stride=2, branches=(16, 24, 32, 8, 16, 64))
    assert module(torch.randn(2, 12, 9, 9)).shape == (2, 16 + 32 + 16 + 64, 5, 5)
    assert widths(module) == [16, 24, 32, 8, 16, 64] * 2


def test_width_scales_every_branch_of_inception_and_the_squeeze_of_fire() -> None:
    fire = Stage("fire", 128, options=(("squeeze", 32),))
    scaled = network(INCEPTION, fire, width_multiplier=0.5)
    assert widths(scaled.stages[0]) == [8, 16, 16, 8, 8, 32]
    assert widths(scaled.stages[1]) == [16, 32, 32]


def test_fire_gives_half_its_channels_by_each_kernel() -> None:
    module = stage("fire", 6, 9, squeeze=4)
    kernels = [(layer.kernel_size[0], layer.out_channels) for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(1, 4), (1, 4), (3, 5)]
    with pytest.raises(UserError, match="width=1, expected at least 2"):
        stage("fire", 6, 1)


def test_inception_of_an_even_kernel_is_refused() -> None:
    with pytest.raises(UserError, match="kernel=4: expected an odd kernel"):
        stage("inception", 12, 0, large_kernel=4)


@pytest.mark.parametrize(("widen_last", "expected"), [(False, [16, 16, 16]), (True, [8, 8, 16])])
def test_xception_changes_the_channels_in_its_first_or_its_last_layer(widen_last: bool, expected: list[int]) -> None:
    module = stage("xception", 8, 16, stride=2, layers=3, widen_last=widen_last)
    branch = module.get_submodule("branch")
    pointwise = [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d) and layer.groups == 1]
    assert [layer.out_channels for layer in pointwise] == expected
    assert module(torch.randn(2, 8, 9, 9)).shape == (2, 16, 5, 5)


def test_xception_activates_before_each_layer_or_each_but_the_first() -> None:
    for first, count in ((True, 3), (False, 2)):
        module = stage("xception", 8, 8, layers=3, act_first=first)
        assert sum(isinstance(layer, nn.ReLU) for layer in module.modules()) == count


def test_a_pools_width_says_nothing_and_its_depth_counts() -> None:
    pool = Stage("max_pool", 64, depth=2, stride=2, options=(("kernel", 3),))
    assert pool == Stage("max_pool", depth=2, stride=2)
    assert pool.to_dict() == {"block": "max_pool", "depth": 2, "stride": 2}
    image = torch.randn(1, 4, 12, 12)
    expected = nn.MaxPool2d(3, 1, 1)(nn.MaxPool2d(3, 2, 1)(image))
    assert torch.equal(stage("max_pool", 4, 0, depth=2, stride=2)(image), expected)


def test_a_pool_with_windows_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="padding=2, expected at most half the kernel of 3"):
        stage("max_pool", 4, 0, padding=2)


def test_a_plain_network_without_normalisation_keeps_its_signals_size() -> None:
    torch.manual_seed(0)
    module = stage("conv", 16, 64, depth=13, norm=False, bias=True)
    assert module(torch.randn(4, 16, 8, 8)).std() > 0.2


@pytest.mark.parametrize(
    ("dropout_first", "expected"),
    [(True, ["Dropout", "Linear", "ReLU"] * 2 + ["Linear"]), (False, ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"])],
)
def test_a_classifiers_dropout_is_before_or_after_its_hidden_layers(dropout_first: bool, expected: list[str]) -> None:
    end = stage("pooled_classifier", 8, 3, pool=16, hidden=(16, 16), dropout=0.5, dropout_first=dropout_first)
    assert [type(layer).__name__ for layer in end.children()][1:] == expected


def test_a_classifier_pools_as_torch_does_where_windows_are_equal_and_leaves_smaller_maps_as_they_are() -> None:
    maps = torch.randn(2, 3, 12, 18)
    assert torch.allclose(nn.Sequential(*pooled((12, 18), 6))(maps), nn.AdaptiveAvgPool2d(6)(maps), atol=1e-6)
    assert nn.Sequential(*pooled((13, 20), 6))(torch.randn(2, 3, 13, 20)).shape == (2, 3, 6, 6)
    assert pooled((6, 6), 6) == pooled((2, 3), 6) == []


def test_the_classifier_of_places_begins_as_the_mean_and_learns_to_tell_them_apart() -> None:
    torch.manual_seed(0)
    end, maps = stage("depthwise_classifier", 8, 3).eval(), torch.randn(4, 8, 16, 16)
    linear = list(end.children())[-1]
    assert torch.allclose(end(maps), linear(maps.mean((2, 3))), atol=1e-4)
    assert torch.allclose(end(maps), end(maps.flip(3)), atol=1e-5)
    weights = next(end.parameters())
    end(maps)[:, 0].sum().backward()
    assert weights.grad is not None
    with torch.no_grad():
        weights -= weights.grad
    assert not torch.allclose(end(maps), end(maps.flip(3)), atol=1e-2)
