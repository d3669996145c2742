"""Shared weights: every network of a space has its part, learns as if it were alone, and nothing else changes."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nastk.config.build import build, load_yaml, shipped
from nastk.errors import UserError
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import StageSpace, random_genotype
from nastk.supernet.roles import roles
from nastk.supernet.shared import SharedWeights, States, part_of
from nastk.training.recalibration import even_parts, recalibrate
from nastk.training.recipe import Recipe
from tests.supernet.small import FAMILIES, space

CONFIG = NetworkConfig(channels=1, size=8, classes=10)


def drawn(own: StageSpace, rng: random.Random) -> StageGenotype:
    genotype = random_genotype(own, rng)
    assert isinstance(genotype, StageGenotype)
    return genotype


def shipped_space(name: str) -> StageSpace:
    node = load_yaml(shipped("search_spaces") / f"{name}.yaml")
    if node.get("size", 0) is None:
        node.size = 32
    found: StageSpace = build(node, "space")
    return found


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("small", {}),
        ("small", {"width_multiplier": 0.5, "depth_multiplier": 1.5}),
        ("nas_bench_macro", {}),
        ("mobile", {"width_multiplier": 0.25}),
        pytest.param("blocks", {}, marks=pytest.mark.slow),
        pytest.param("mnasnet", {}, marks=pytest.mark.slow),
    ],
)
def test_the_weights_hold_every_network_of_a_space(name: str, sizes: dict[str, float]) -> None:
    own = space(FAMILIES) if name == "small" else shipped_space(name)
    shared = SharedWeights(own, NetworkConfig(size=own.size, **sizes), None)
    rng = random.Random(3)
    for _ in range(30):
        shared.holds(drawn(own, rng))


def test_a_part_is_the_leading_channels_and_the_centre_of_the_kernel() -> None:
    whole = torch.arange(4 * 3 * 5 * 5).view(4, 3, 5, 5)
    slices = part_of((4, 3, 5, 5), (2, 3, 3, 3))
    assert slices is not None
    assert torch.equal(whole[slices], whole[:2, :, 1:4, 1:4])
    assert part_of((4, 3, 5, 5), (5, 3, 3, 3)) is None and part_of((4,), (4, 1)) is None


def test_layers_keep_their_role_in_blocks_without_shortcut_expansion_or_squeeze() -> None:
    def named(width: int, **options: float) -> dict[str, tuple[int, ...]]:
        stage = Stage("inverted_residual", width, options=tuple(options.items()))
        network = build_network(StageGenotype((stage,), (Stage("conv", 8),)), CONFIG)
        return {name: tuple(getattr(*weight).shape) for name, weight in roles(network.stages[1]).items()}  # type: ignore[index]

    whole = named(8, expansion=2.0, se=0.5)
    assert whole["pointwise.0.weight"] == (8, 16, 1, 1) and whole["pointwise.1.weight"] == (16, 8, 1, 1)
    assert set(named(16, expansion=2.0)) == {name for name in whole if not name.startswith("weigh.")}
    assert named(8, expansion=1.0) == {
        **{"depthwise.0.weight": (8, 1, 3, 3), "depthwise.0.norm.weight": (8,), "depthwise.0.norm.bias": (8,)},
        **{"pointwise.0.weight": (8, 8, 1, 1), "pointwise.0.norm.weight": (8,), "pointwise.0.norm.bias": (8,)},
    }


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_network_learns_as_if_its_weights_were_its_own_and_no_others_change(optimizer: str) -> None:
    own, rng = space(FAMILIES), random.Random(1)
    shared, states = SharedWeights(own, CONFIG, 0), States()
    first = copy.deepcopy(dict(zip(shared.names, shared.weights, strict=True)))
    genotype = drawn(own, rng)
    alone = shared.lend(genotype).network
    recipe = Recipe(optimizer=optimizer, learning_rate=0.05, weight_decay=0.01)
    side = CONFIG.of(genotype).size
    images, labels = torch.randn(16, 1, side, side), torch.arange(16) % 10
    own_optimizer = recipe.make_optimizer(alone)
    for _ in range(3):
        lent = shared.lend(genotype)
        for network in (lent.network, alone):
            network.train()
            network.zero_grad()
            cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        lent.step(recipe.make_optimizer(lent.network), states)
        own_optimizer.step()
    after = shared.lend(genotype).network
    for (name, weight), other in zip(after.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(weight, other, msg=name)
    taken = {name: slices for *_, name, slices in shared._parts(genotype, after)}
    for name, weight in zip(shared.names, shared.weights, strict=True):
        rest = torch.ones_like(weight, dtype=torch.bool)
        if name in taken:
            rest[taken[name]] = False
        assert torch.equal(weight[rest], first[name][rest]), name
    assert any(not torch.equal(weight, first[name]) for name, weight in zip(shared.names, shared.weights, strict=True))


def test_a_network_of_another_space_is_refused_in_one_line() -> None:
    shared = SharedWeights(space(), CONFIG, None)
    other = StageGenotype((Stage("rep_conv", 16, options=(("kernel", 7),)),), (Stage("conv", 8),))
    with pytest.raises(UserError, match=f"supernet: it does not hold {other.key[:8]}"):
        shared.lend(other)


def test_normalisations_are_counted_anew_on_the_images_alone() -> None:
    norm = nn.BatchNorm2d(3)
    norm.running_mean = torch.full((3,), 9.0)
    network = nn.Sequential(norm, nn.Dropout(0.9))
    images = torch.randn(512, 3, 4, 4) * 2 + 1
    parts = even_parts(images)
    recalibrate(network, parts)
    assert not network.training and not norm.training and norm.momentum == 0.1
    torch.testing.assert_close(norm.running_mean, images.mean((0, 2, 3)))
    halves = torch.stack([half.var((0, 2, 3)) for half in parts])
    torch.testing.assert_close(norm.running_var, halves.mean(0))


def test_no_batch_that_they_are_counted_on_is_of_one_class_where_images_lie_class_by_class() -> None:
    classes = torch.arange(6).repeat_interleave(100).float()[:, None, None, None]
    parts = even_parts(classes)
    assert [len(part) for part in parts] == [256, 256]
    assert all(part.unique().numel() == 6 and part.unique(return_counts=True)[1].min() > 20 for part in parts)
    assert all(torch.equal(part, again) for part, again in zip(parts, even_parts(classes), strict=True))
    norm = nn.BatchNorm2d(1)
    recalibrate(norm, parts)
    torch.testing.assert_close(norm.running_var, classes.var().reshape(1), rtol=0.05, atol=0.0)
    assert [len(part) for part in even_parts(classes[:7])] == [7]
