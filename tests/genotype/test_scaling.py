"""A scaled genotype is the network that a builder makes of the genotype and the same factors."""

from __future__ import annotations

import random

import pytest
import torch

from nastk.config.build import build, load_yaml, shipped
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.networks.stages import build_stages
from nastk.spaces import Space, random_genotype

SIDE = 64


def shapes(genotype: StageGenotype, width: float = 1.0, depth: float = 1.0) -> list[tuple[int, ...]]:
    with torch.device("meta"):
        network = build_stages(
            *(genotype,),
            **{"classes": 10, "channels": 3, "height": SIDE, "width": SIDE},
            width_multiplier=width,
            depth_multiplier=depth,
        )
    return [tuple(tensor.shape) for tensor in network.state_dict().values()]


@pytest.mark.parametrize("name", ["mobile", "blocks", "mnasnet"])
@pytest.mark.parametrize(("width", "depth"), [(0.25, 0.25), (0.7, 0.5), (1.0, 1.0), (1.7, 1.0), (1.3, 2.0)])
def test_it_is_built_as_the_genotype_is_with_these_factors(name: str, width: float, depth: float) -> None:
    space: Space = build(load_yaml(shipped("search_spaces") / f"{name}.yaml"), "space", Space)
    for seed in range(6):
        genotype = random_genotype(space, random.Random(seed))
        assert isinstance(genotype, StageGenotype)
        scaled = Scaling(width, depth).genotype(genotype)
        assert shapes(scaled) == shapes(genotype, width, depth)
        assert StageGenotype.from_dict(scaled.to_dict()).key == scaled.key


def test_without_factors_it_is_the_same_network() -> None:
    space: Space = build(load_yaml(shipped("search_spaces") / "mobile.yaml"), "space", Space)
    genotype = random_genotype(space, random.Random(0))
    assert isinstance(genotype, StageGenotype)
    assert Scaling().genotype(genotype).key == genotype.key
