"""Genotypes of stages as numbers."""

from __future__ import annotations

import dataclasses
import random

import pytest

from nastk.genotype.stage_numbers import placed_blocks, stage_encoding, stage_terms
from nastk.genotype.stages import Stage, StageGenotype
from nastk.spaces import StageSpace, random_genotype

BASIC = {"block": "residual_basic", "width": 16}
STEM = {"block": "conv", "width": 8, "stride": 2}


def genotype(*stages: dict[str, object]) -> StageGenotype:
    """Returns the genotype of a strided stem and some stages."""
    return StageGenotype.from_dict({"kind": "stages", "stem": [STEM], "stages": list(stages)})


def test_blocks_are_placed_where_their_output_is() -> None:
    found = [
        (block.block, block.level, block.channels_in, block.channels_out)
        for block in placed_blocks(genotype({**BASIC, "depth": 2, "stride": 2}))
    ]
    assert found == [("conv", 1, 3, 8), ("residual_basic", 2, 8, 16), ("residual_basic", 2, 16, 16)]


def test_terms_are_blocks_and_products_of_channels() -> None:
    assert stage_terms(genotype({**BASIC, "depth": 2, "stride": 2})) == {
        "conv/1": 1,
        "conv/1/work": pytest.approx(0.024),
        "residual_basic/2": 2,
        "residual_basic/2/work": pytest.approx(8 * 16 / 1000 + 16 * 16 / 1000),
    }


def test_a_resolution_of_its_own_is_in_every_number_that_depends_on_it() -> None:
    own, small, smaller = (dataclasses.replace(genotype(BASIC), resolution=side) for side in (0, 24, 16))
    assert stage_encoding(own)[0] < stage_encoding(small)[0] < stage_encoding(smaller)[0]
    assert len({one.key for one in (own, small, smaller)}) == 3
    assert set(stage_terms(small)) == {"conv/1@24", "conv/1@24/work", "residual_basic/1@24", "residual_basic/1@24/work"}
    assert stage_terms(small)["conv/1@24/work"] == stage_terms(own)["conv/1/work"]


def test_equal_keys_have_equal_numbers() -> None:
    one = genotype({**BASIC, "depth": 3})
    other = genotype(BASIC, {**BASIC, "depth": 2, "act": "relu"}, {"block": "skip", "width": 16, "depth": 2})
    assert one.key == other.key
    assert stage_encoding(one) == stage_encoding(other)
    assert stage_terms(one) == stage_terms(other)


def test_what_differs_is_told_apart_in_as_many_numbers() -> None:
    stage = {"block": ["residual_basic", "conv"], "depth": [1, 2, 3], "width": [8, 16], "act": ["relu", "silu"]}
    space = StageSpace(stem=[STEM], stages=[stage, stage], size=32)
    made = {one.key: one for one in (random_genotype(space, random.Random(seed)) for seed in range(60))}
    encodings = {tuple(stage_encoding(one)) for one in made.values()}
    assert {len(encoding) for encoding in encodings} == {256}
    assert len(encodings) >= 0.95 * len(made)


def test_the_classifier_is_told_apart_and_its_options_too() -> None:
    space = StageSpace(stem=[STEM], stages=[{"block": "conv", "width": 8}], size=32)
    made = random_genotype(space, random.Random(0))
    ends = (Stage("pooled_classifier"), Stage("depthwise_classifier"))
    forms = [dataclasses.replace(made, classifier=end) for end in ends]
    assert len({one.key for one in forms}) == len({tuple(stage_encoding(one)) for one in forms}) == 2
