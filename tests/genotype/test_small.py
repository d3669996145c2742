"""Classic networks in their form for small images: enough pixels are left, nothing else is changed, and they learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nastk.config.build import shipped
from nastk.genotype.sides import last_side
from nastk.genotype.small import for_images, shortened
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import StageNetwork, build_stages
from tests.blocks.test_classics import classic
from tests.marks import mostly_slow

CLASSICS = sorted(
    path.stem
    for path in Path(str(shipped("conf") / "network")).glob("*.yaml")
    if "kind: stages" in path.read_text(encoding="utf-8")
)
USUAL = ("resnet18", "mobilenet_v2", "shufflenet_v2_x1_0", "densenet121")
SIDES = (32, 48, 64, 96)


def genotype(name: str) -> StageGenotype:
    return StageGenotype.from_dict(classic(name)["genotype"])


def stages_for(own: StageGenotype, height: int, width: int) -> StageGenotype:
    small = for_images(own, height, width)
    assert isinstance(small, StageGenotype)
    return small


def built(small: StageGenotype, side: int, width: float = 1.0) -> StageNetwork:
    return build_stages(small, classes=5, channels=3, height=side, width=side, width_multiplier=width)


def test_there_are_classics() -> None:
    assert {"resnet50", "mobilenet_v2", "shufflenet_v1", "fasternet_t0"} <= set(CLASSICS)


@pytest.mark.parametrize("name", CLASSICS)
def test_for_its_own_images_a_network_stays_as_it_is(name: str) -> None:
    own = genotype(name)
    assert for_images(own, classic(name)["size"], classic(name)["size"]) is own


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", mostly_slow(CLASSICS, USUAL))
def test_small_images_leave_enough_pixels_and_no_stride_is_taken_back_in_vain(name: str, side: int) -> None:
    small = stages_for(genotype(name), side, side + 5)
    with torch.device("meta"):
        assert built(small, side)(torch.empty(2, 3, side, side)).shape == (2, 5)
    assert last_side(small, side) >= 4
    assert small == genotype(name) or last_side(small, side // 2 - 1) < 4


@pytest.mark.parametrize("name", mostly_slow(CLASSICS, USUAL))
def test_the_small_form_learns(name: str) -> None:
    torch.manual_seed(0)
    network = built(stages_for(genotype(name), 32, 32), 32, width=0.125)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert not [key for key, parameter in network.named_parameters() if parameter.grad is None]


def test_the_small_resnet_is_the_one_for_cifar() -> None:
    small = stages_for(genotype("resnet50"), 32, 32)
    assert small.stem == (Stage("conv", 64),)
    assert small.stages == genotype("resnet50").stages


def test_the_first_strides_go_first_and_late_ones_stay() -> None:
    own = genotype("mobilenet_v2")
    small = stages_for(own, 32, 32)
    assert [stage.stride for stage in own.body] == [2, 1, 2, 2, 2, 1, 2, 1, 1]
    assert [stage.stride for stage in small.body] == [1, 1, 1, 2, 2, 1, 2, 1, 1]
    assert [stage.stride for stage in stages_for(own, 64, 64).body] == [1, 1, 2, 2, 2, 1, 2, 1, 1]


def test_patches_become_smaller_and_then_overlapping_ones() -> None:
    own = genotype("fasternet_t0")
    at_64, at_32 = (stages_for(own, side, side).stem[0] for side in (64, 32))
    assert (at_64.stride, at_64.every_option["kernel"], at_64.every_option["padding"]) == (2, 2, 0)
    assert (at_32.stride, at_32.every_option["kernel"], at_32.every_option["padding"]) == (1, 3, -1)


def test_a_resolution_of_its_own_counts_instead_of_the_image() -> None:
    own = StageGenotype((Stage("conv", 8, 1, 2), Stage("conv", 8, 1, 2)), resolution=32)
    assert for_images(own, 8, 8) is own


def test_an_image_that_has_too_few_pixels_keeps_them_all() -> None:
    own = StageGenotype((Stage("conv", 8, 1, 2), Stage("max_pool", 0, 1, 2), Stage("conv", 8, 1, 3)))
    assert [stage.stride for stage in stages_for(own, 3, 3).body] == [1, 1]


@pytest.mark.parametrize("name", CLASSICS)
@pytest.mark.parametrize("side", SIDES)
def test_a_shortened_network_keeps_its_beginning_and_enough_pixels(name: str, side: int) -> None:
    own = genotype(name)
    short = shortened(own, side, side)
    if last_side(own, side) >= 4:
        assert short is None
    elif short is not None:
        assert isinstance(short, StageGenotype)
        assert last_side(short, side) >= 4
        assert short.stages == own.stages[: len(short.stages)]
        assert short.stem == tuple(stage for stage in own.stem if stage in short.stem)
        assert short.body[0] == own.body[0]
        assert (short.head, short.classifier) == (own.head, own.classifier)


def test_pooling_goes_first_and_then_the_last_strides() -> None:
    own = genotype("resnet18")
    strides = [[stage.stride for stage in form.body] for side in (64, 32) if (form := short_for(own, side)) is not None]
    assert strides == [[2, 1, 2, 2, 2], [2, 1, 2, 2]]
    assert short_for(genotype("repvgg_a0"), 32) == StageGenotype(genotype("repvgg_a0").body[1:3], own_stem("repvgg_a0"))


def test_what_would_leave_nothing_is_not_shortened() -> None:
    assert shortened(StageGenotype((Stage("conv", 8, 1, 4),)), 8, 8) is None
    assert shortened(StageGenotype((Stage("conv", 8),), (Stage("conv", 8, 1, 8),)), 16, 16) is None


def short_for(own: StageGenotype, side: int) -> StageGenotype | None:
    short = shortened(own, side, side)
    assert short is None or isinstance(short, StageGenotype)
    return short


def own_stem(name: str) -> tuple[Stage, ...]:
    return genotype(name).stem
