"""Points of a space of stages that are nearest to known networks."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nastk.genotype.stages import StageGenotype
from nastk.spaces import StageSpace, random_genotype, replay
from nastk.spaces.nearest import nearest_choices
from tests.spaces.test_stages import drawn

STAGE: dict[str, Any] = {
    "block": ["residual_basic", {"block": "residual_bottleneck", "expansion": 2}],
    "depth": [0, 1, 2, 3],
    "width": [16, 32, 64, 128],
    "stride": [1, 2],
    "act": ["relu", "silu"],
}
SPACE = StageSpace(stem=[{"block": "conv", "width": [16, 32], "stride": [1, 2]}], stages=[STAGE] * 4, size=32)


def test_a_network_that_is_a_point_of_the_space_is_found_again() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        stages = [
            {"block": "residual_basic", "width": width, "depth": rng.randint(1, 3), "stride": 2, "act": "silu"}
            for width in sorted(rng.choices([16, 32, 64, 128], k=rng.randint(1, 3)))
        ]
        stem = [{"block": "conv", "width": 16}]
        known = StageGenotype.from_dict({"kind": "stages", "stem": stem, "stages": stages})
        choices = nearest_choices(SPACE, known)
        assert choices is not None
        assert replay(SPACE, choices).key == known.key


def test_every_choice_is_answered_by_one_of_its_options() -> None:
    _, options, _ = drawn(SPACE, 0)
    for seed in range(20):
        choices = nearest_choices(SPACE, random_genotype(SPACE, random.Random(seed)), width=0.5)
        if choices is not None:
            assert set(choices) == set(options)
            assert all(value in options[name] for name, value in choices.items())


@pytest.mark.parametrize(("factor", "widths"), [(1.0, [64, 128]), (0.5, [32, 64]), (0.1, [16, 16])])
def test_widths_follow_the_factor(factor: float, widths: list[int]) -> None:
    stages = [{"block": "residual_basic", "width": width, "stride": 2} for width in (64, 128)]
    choices = nearest_choices(SPACE, StageGenotype.from_dict({"kind": "stages", "stages": stages}), factor)
    assert choices is not None
    assert [stage.width for stage in replay(SPACE, choices).stages] == widths


def test_a_network_of_other_families_has_no_point() -> None:
    other = StageGenotype.from_dict({"kind": "stages", "stages": [{"block": "fire", "width": 32}]})
    assert nearest_choices(SPACE, other) is None
