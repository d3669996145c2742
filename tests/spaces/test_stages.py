"""Search spaces of stages: what they ask, what they make of the answers, what they refuse."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.genotype.stages import StageGenotype
from nastk.spaces import StageSpace, random_genotype, replay

STAGE: dict[str, Any] = {
    "block": ["residual_basic", {"block": "residual_bottleneck", "expansion": 4}],
    "depth": [0, 1, 2],
    "width": [16, 32],
    "stride": 2,
    "expansion": [1, 2],
    "act": ["relu", "silu"],
}
STEM = {"block": "conv", "width": [16, 24], "stride": [1, 2]}


def space(**changed: Any) -> StageSpace:
    """Returns a space of two stages."""
    return StageSpace(**{"stem": [STEM], "stages": [STAGE, STAGE], **changed})


def drawn(of: StageSpace, seed: int) -> tuple[StageGenotype, dict[str, tuple[Any, ...]], dict[str, Any]]:
    """Returns a random genotype, the options of each choice, and the answers."""
    rng, options, answers = random.Random(seed), dict[str, tuple[Any, ...]](), dict[str, Any]()

    def choose(name: str, values: Any) -> Any:
        options[name], answers[name] = tuple(values), rng.choice(list(values))
        return answers[name]

    return of.genotype(choose), options, answers


def test_every_choice_is_asked_in_one_order_with_the_same_options() -> None:
    asked = [drawn(space(), seed)[1] for seed in range(20)]
    assert all(list(one.items()) == list(asked[0].items()) for one in asked)
    assert list(asked[0])[:2] == ["stem/0/width", "stem/0/stride"]
    assert asked[0]["stages/1/block"] == ("residual_basic", "residual_bottleneck(expansion=4.0)")


def test_a_genotype_is_rebuilt_from_its_choices_and_from_its_json() -> None:
    for seed in range(20):
        made, _, answers = drawn(space(), seed)
        assert replay(space(), answers) == made
        assert StageGenotype.from_json(made.to_json()) == made


def test_what_is_not_used_changes_nothing() -> None:
    _, options, answers = drawn(space(), 0)
    answers |= {"stages/0/depth": 0, "stages/1/block": "residual_basic", "stages/1/depth": 1}
    key = replay(space(), answers).key
    for name in ("stages/0/width", "stages/0/act", "stages/0/block", "stages/1/expansion"):
        for value in options[name]:
            assert replay(space(), {**answers, name: value}).key == key
    for name in ("stages/1/act", "stages/1/width", "stages/1/depth"):
        assert len({replay(space(), {**answers, name: value}).key for value in options[name]}) == len(options[name])


def test_an_option_that_comes_with_a_family_stands_even_at_its_default() -> None:
    _, _, answers = drawn(space(), 0)
    answers |= {
        "stages/0/depth": 1,
        "stages/0/block": "residual_bottleneck(expansion=4.0)",
        "stages/0/expansion": "1.0",
    }
    assert replay(space(), answers).stages[0].every_option["expansion"] == 4.0


@pytest.mark.parametrize(("size", "least"), [(28, 4), (32, 8), (224, 4), (8, 4), (3, 4)])
def test_strides_leave_as_many_pixels_as_asked(size: int, least: int) -> None:
    for seed in range(20):
        made = random_genotype(space(size=size, least=least), random.Random(seed))
        side = size
        for stage in made.body:
            side = -(-side // stage.stride)
        assert side >= min(least, size)


def test_the_resolution_of_the_images_themselves_is_no_choice_of_its_own() -> None:
    made = {random_genotype(space(size=48, resolution=[32, 48]), random.Random(seed)).resolution for seed in range(9)}
    assert made == {0, 32}


@pytest.mark.parametrize(
    ("size", "wanted", "expected"),
    [
        (224, [1.0, 0.75, 0.5], (224, 168, 112)),
        (28, [1.0, 0.75, 0.5], (28, 24, 16)),
        (8, [1.0, 0.75, 0.5], (8,)),
        (6, [0.5], (6,)),
        (32, [20, 1.0], (20, 32)),
        (32, 0.5, (16,)),
        (None, [0.5, 16], ()),
        (None, [24, 16], (24, 16)),
        (32, [], ()),
    ],
)
def test_shares_of_the_image_size_are_multiples_of_8_and_no_more_than_it(
    size: int | None, wanted: Any, expected: tuple[int, ...]
) -> None:
    assert space(size=size, resolution=wanted).resolutions == expected


def test_a_choice_of_resolution_is_one_of_pixels_and_strides_follow_it() -> None:
    of = space(size=32, least=8, resolution=[1.0, 0.5])
    asked = [drawn(of, seed) for seed in range(20)]
    assert {options["resolution"] for _, options, _ in asked} == {(32, 16)}
    assert {(made.resolution, answers["resolution"]) for made, _, answers in asked} == {(0, 32), (16, 16)}
    for made, _, answers in asked:
        strides = math.prod(stage.stride for stage in made.body)
        assert answers["resolution"] // strides >= 8
        assert replay(of, answers).key == made.key


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stages": []}, "stages=\\[\\], expected at least one"),
        ({"stages": [{**STAGE, "width": [12]}]}, "width=\\[12\\], expected multiples of divisor=8"),
        ({"stages": [{**STAGE, "block": "residual_basik"}]}, "'residual_basik'.*residual_basic"),
        ({"stages": [{**STAGE, "kernle": 3}]}, "'kernle'"),
        ({"stages": [{**STAGE, "act": ["relu", "rellu"]}]}, "'rellu'.*relu"),
        ({"stages": [{**STAGE, "depth": -1}]}, "depth=-1, expected a whole number from 0"),
        ({"stages": [{**STAGE, "depth": [1, 1]}]}, "every one once"),
        ({"stages": [{"width": 8}]}, "expected a mapping with a block"),
        ({"stages": [{"block": {"block": "conv", "kernel": 99}, "width": 8}]}, "kernel=99"),
        ({"classifier": {"block": "conv"}}, "width=0"),
        ({"stages": "conv"}, "expected a list of stages"),
        ({"resolution": [3]}, "resolution=3, expected at least 4"),
        ({"resolution": [48], "size": 32}, "resolution=48, expected at most 32 pixels"),
        ({"resolution": [24.5]}, "resolution=24.5, expected whole pixels a side, or a share"),
        ({"resolution": ["small"]}, "resolution='small', expected whole pixels"),
        ({"resolution": [True]}, "resolution=True, expected whole pixels"),
        ({"resolution": [16, 16]}, "every one once"),
    ],
)
def test_what_cannot_be_is_said_at_once(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        space(**changed)
