"""Blocks of mobile networks: what each of their options builds, which of them are equal, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nastk.blocks.attention import SqueezeExcitation
from nastk.blocks.partial import PartialConvolution
from nastk.blocks.shortcut import Shortcut
from nastk.blocks.universal import universal_inverted_bottleneck
from nastk.errors import UserError
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import build_stages
from nastk.ops.shuffle import ChannelShuffle
from tests.blocks.stage import stage
from tests.deploy.networks import enliven, images


def shapes(module: nn.Module) -> list[tuple[int, int, int, int, int]]:
    """Returns channels in, channels out, kernel, stride and groups of each convolution in order."""
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    return [(one.in_channels, one.out_channels, one.kernel_size[0], one.stride[0], one.groups) for one in convolutions]


def kinds(module: nn.Module) -> list[str]:
    """Returns the types of all layers that hold no others."""
    return [type(part).__name__ for part in module.modules() if not list(part.children())]


def test_an_inverted_residual_widens_filters_and_narrows_without_a_last_activation() -> None:
    module = stage("inverted_residual", 16, 24, stride=2, kernel=5, expansion=4.0)
    assert shapes(module) == [(16, 64, 1, 1, 1), (64, 64, 5, 2, 64), (64, 24, 1, 1, 1)]
    assert kinds(module)[-2:] == ["Conv2d", "BatchNorm2d"]
    assert not isinstance(module, Shortcut)
    assert isinstance(stage("inverted_residual", 24, 24), Shortcut)


@pytest.mark.parametrize(("of", "hidden"), [("hidden", 24), ("input", 4)])
def test_squeeze_and_excitation_is_measured_by_the_channels_inside_or_by_those_that_come_in(
    of: str, hidden: int
) -> None:
    module = stage("inverted_residual", 16, 24, se=0.25, se_of=of, se_act="silu", se_gate="hardsigmoid")
    (gate,) = [part for part in module.modules() if isinstance(part, SqueezeExcitation)]
    assert shapes(gate) == [(96, hidden, 1, 1, 1), (hidden, 96, 1, 1, 1)]
    assert kinds(gate) == ["AdaptiveAvgPool2d", "Conv2d", "SiLU", "Conv2d", "Hardsigmoid"]


def test_a_fused_inverted_residual_is_a_convolution_and_a_1x1_or_a_convolution_alone() -> None:
    assert shapes(stage("fused_inverted_residual", 16, 24, stride=2)) == [(16, 64, 3, 2, 1), (64, 24, 1, 1, 1)]
    alone = stage("fused_inverted_residual", 16, 24, expansion=1.0)
    assert shapes(alone) == [(16, 24, 3, 1, 1)]
    assert kinds(alone)[-1] == "SiLU"


CASES = {  # start, middle: kernels and strides of the depthwise convolutions
    "inverted bottleneck": (0, 5, [(5, 2)]),
    "ConvNext": (7, 0, [(7, 2)]),
    "extra depthwise": (3, 5, [(3, 1), (5, 2)]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_universal_bottleneck_holds_its_cases_and_strides_as_late_as_it_can(case: str) -> None:
    start, middle, expected = CASES[case]
    module = stage("universal_inverted_bottleneck", 16, 24, stride=2, start=start, middle=middle)
    assert [(shape[2], shape[3]) for shape in shapes(module) if shape[4] > 1] == expected
    assert [shape[:2] for shape in shapes(module) if shape[4] == 1] == [(16, 64), (64, 24)]


def test_a_universal_bottleneck_without_depthwise_convolutions_feeds_forward_and_cannot_stride() -> None:
    options = {"start": 0, "middle": 0}
    assert shapes(stage("universal_inverted_bottleneck", 16, 16, **options)) == [(16, 64, 1, 1, 1), (64, 16, 1, 1, 1)]
    with pytest.raises(
        UserError, match=r"'universal_inverted_bottleneck': stride=2 with start=0 and middle=0, expected"
    ):
        stage("universal_inverted_bottleneck", 16, 16, stride=2, **options)


@pytest.mark.parametrize(("channels", "stride"), [(16, 1), (24, 1), (16, 2)])
def test_a_universal_bottleneck_with_its_middle_alone_is_an_inverted_residual(channels: int, stride: int) -> None:
    asked = Stage("universal_inverted_bottleneck", 24, 1, stride, (("middle", 5), ("expansion", 3.0), ("act", "silu")))
    same = Stage("inverted_residual", 24, 1, stride, (("kernel", 5), ("expansion", 3.0), ("act", "silu")))
    assert asked == same
    options = {"start": 0, "middle": 5, "expansion": 3.0, "act": "silu"}
    universal = enliven(universal_inverted_bottleneck(channels, 24, stride, 0.0, **options))
    inverted = stage(same.block, channels, 24, stride=stride, **dict(same.options)).eval()
    values = universal.state_dict().values()
    inverted.load_state_dict(dict(zip(inverted.state_dict(), values, strict=True)))
    assert torch.equal(universal(images(2, channels, 9, 9)), inverted(images(2, channels, 9, 9)))


def test_a_shuffle_unit_adds_where_it_keeps_and_appends_where_it_grows() -> None:
    kept = stage("shuffle_v1", 24, 24, groups=3)
    assert shapes(kept) == [(24, 6, 1, 1, 3), (6, 6, 3, 1, 6), (6, 24, 1, 1, 3)]
    grown = stage("shuffle_v1", 12, 24, stride=2, groups=3, group_first=False)
    assert shapes(grown) == [(12, 6, 1, 1, 1), (6, 6, 3, 2, 6), (6, 12, 1, 1, 3)]
    assert kinds(grown).count("AvgPool2d") == 1
    image = images(2, 12, 8, 8)
    pooled = nn.functional.relu(nn.functional.avg_pool2d(image, 3, 2, 1))
    assert torch.equal(grown.eval()(image)[:, :12], pooled)
    assert [part.groups for part in grown.modules() if isinstance(part, ChannelShuffle)] == [3]
    assert stage("shuffle_v1", 24, 12, stride=2)(images(2, 24, 8, 8)).shape == (2, 12, 4, 4)


def test_a_shuffle_unit_of_the_second_kind_leaves_half_of_the_channels_as_they_are() -> None:
    image = images(2, 8, 5, 5)
    found = stage("shuffle_v2", 8, 8).eval()(image)
    assert torch.equal(found[:, ::2], image[:, :4])
    changed = stage("shuffle_v2", 8, 12, stride=2)
    assert shapes(changed) == [(8, 8, 3, 2, 8), (8, 6, 1, 1, 1), (8, 6, 1, 1, 1), (6, 6, 3, 2, 6), (6, 6, 1, 1, 1)]


def test_a_partial_convolution_leaves_the_other_channels_as_they_are() -> None:
    module = stage("partial_conv", 16, 16, part=0.25)
    assert shapes(module) == [(4, 4, 3, 1, 1), (16, 32, 1, 1, 1), (32, 16, 1, 1, 1)]
    (partial,) = [part for part in module.modules() if isinstance(part, PartialConvolution)]
    image = images(2, 16, 5, 5)
    assert torch.equal(partial(image)[:, 4:], image[:, 4:])
    assert not torch.equal(partial(image)[:, :4], image[:, :4])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"block": "invertd_residual", "width": 8}, r"unknown block 'invertd_residual'; nearest is 'inverted_residual'"),
    ({"block": "inverted_residual", "width": 8, "expantion": 3}, r"'expantion'; nearest is 'expansion'"),
    ({"block": "inverted_residual", "width": 8, "act": "swish"}, r"act 'swish'; nearest is 'hardswish'"),
    ({"block": "inverted_residual", "width": 8, "se_gate": "hard"}, r"se_gate 'hard'; nearest is 'hardsigmoid'"),
    ({"block": "inverted_residual", "width": 8, "expansion": 0}, r"expansion=0, expected a number from 0.25 to 16"),
    ({"block": "mobileone", "width": 8, "branches": 0}, r"branches=0, expected a whole number from 1 to 16"),
    ({"block": "shuffle_v1", "width": 16, "groups": 3}, r"shuffle_v1 of width=16: not divisible by groups=3"),
    ({"block": "shuffle_v2", "width": 15}, r"shuffle_v2 of width=15: expected an even number"),
    ({"block": "rep_conv", "width": 10, "groups": 4}, r"8 to 10 channels: not divisible by groups=4"),
    ({"block": "depthwise_separable", "width": 8, "kernel": 4}, r"kernel=4: expected an odd kernel"),
    ({"block": "global_pool", "stride": 2}, r"'global_pool': stride=2"),
]


@pytest.mark.parametrize(("row", "message"), REFUSED, ids=str)
def test_what_cannot_be_built_is_refused_in_one_line(row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        genotype = StageGenotype((Stage("conv", 8), Stage.from_dict(row)))
        build_stages(genotype, classes=2, channels=3, height=4, width=4)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("block", ["inverted_residual", "shuffle_v1", "partial_conv", "mobileone"])
def test_a_stage_that_leaves_no_pixel_is_refused(block: str) -> None:
    row = tuple(Stage(block, 24, 1, 2) for _ in range(3))
    with pytest.raises(UserError, match=rf"stage 2 \('{block}', stride 2\) shrinks a map of 1x1 pixels below 1x1"):
        build_stages(StageGenotype(row), classes=2, channels=3, height=4, width=4)


@pytest.mark.parametrize("width", [0.1, 0.3, 0.5, 0.77, 1.3])
def test_grouped_and_halved_blocks_can_be_scaled_to_any_width(width: float) -> None:
    stages = (
        Stage("conv", 24),
        Stage("shuffle_v1", 240, 2, 2),
        Stage("shuffle_v2", 116, 2, 2),
        Stage("shuffle_v1", 480, 2, 2, (("groups", 4),)),
    )
    network = build_stages(StageGenotype(stages), classes=2, channels=3, height=16, width=16, width_multiplier=width)
    assert network(images(2, 3, 16, 16)).shape == (2, 2)
