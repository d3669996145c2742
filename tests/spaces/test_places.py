"""A network's stages find the places of the space that chose them, and a network of no space finds none."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from nastk.genotype.stages import Stage, StageGenotype
from nastk.spaces import random_genotype
from nastk.spaces.places import Places
from tests.supernet.small import space


def test_every_network_of_a_space_has_places_that_could_have_chosen_it() -> None:
    own, rng = space(), random.Random(0)
    rows = {one.at: one for part in own.parts.values() for one in part}
    for _ in range(60):
        genotype = random_genotype(own, rng)
        assert isinstance(genotype, StageGenotype)
        found = Places(own).of(genotype)
        assert found is not None
        assert [stage for _, stage in found] == [*genotype.body, genotype.classifier]
        taken = [at for at, _ in found]
        assert len(set(taken)) == len(taken) and taken[-1] == "classifier"
        for at, stage in found[:-1]:
            assert stage.width in rows[at].width and stage.depth in rows[at].depth
        assert all(0 in one.depth for at, one in rows.items() if at not in taken)


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 24},
        {"depth": 3},
        {"stride": 4},
        {"options": (("kernel", 7),)},
        {"block": "residual_bottleneck"},
    ],
)
def test_a_stage_that_no_place_can_be_has_none(changed: dict[str, Any]) -> None:
    stage = Stage("inverted_residual", 16, 2, 2, (("kernel", 5), ("expansion", 2.0), ("act", "relu")))
    held = StageGenotype((stage,), (Stage("conv", 8),))
    assert Places(space()).of(held) is not None
    options = changed.pop("options", stage.options) if "block" not in changed else ()
    other = replace(
        stage, **changed, options=tuple({**dict(stage.options), **dict(options)}.items()) if options else ()
    )
    assert Places(space()).of(replace(held, stages=(other,))) is None


def test_a_resolution_of_no_choice_and_a_stage_too_many_have_none() -> None:
    stage = Stage("rep_conv", 16)
    assert Places(space()).of(StageGenotype((stage,), (Stage("conv", 8),), resolution=6)) is None
    assert Places(space()).of(StageGenotype((stage, stage, stage), (Stage("conv", 8),))) is None
    assert Places(space()).of(StageGenotype((stage,))) is None
