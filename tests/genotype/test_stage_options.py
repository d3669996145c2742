"""Options of block families and the canonical key, over random stages of every family of the table."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nastk.genotype.blocks import BLOCKS, Block, Flag, Names, Number, Option, Value, Whole, block_named
from nastk.genotype.stages import Stage, StageGenotype

FAMILIES = sorted(name for name, family in BLOCKS.items() if not family.classifier)

RESPELLED = ("padding",)  # one and the same padding can be said in two ways


def values(option: Option) -> st.SearchStrategy[Any]:
    """Returns values that an option can have."""
    if isinstance(option, Names):
        return st.sampled_from(option.names)
    if isinstance(option, Flag):
        return st.booleans()
    if isinstance(option, Number):
        return st.sampled_from([option.least, option.default, option.most])
    if isinstance(option, Whole):
        return st.integers(option.least, min(option.most, option.least + 6))
    count = option.count or 2
    return st.tuples(*[st.integers(option.least, option.least + 6)] * count)


@st.composite
def described(draw: st.DrawFn) -> tuple[Block, dict[str, Value], int]:
    """Draws a family, every option of it and a depth."""
    family = block_named(draw(st.sampled_from(FAMILIES)))
    options = {name: draw(values(option)) for name, option in family.options.items()}
    return family, options, draw(st.integers(1, 5))


def genotype(*stages: Stage) -> StageGenotype:
    return StageGenotype((Stage("conv", 8), *stages))


@settings(max_examples=200, deadline=None)
@given(described(), st.data())
def test_options_left_out_at_their_defaults_or_in_another_order_are_the_same(
    drawn: tuple[Block, dict[str, Value], int], data: st.DataObject
) -> None:
    family, options, depth = drawn
    stage = Stage(family.name, 8, depth, 1, tuple(options.items()))
    shuffled = data.draw(st.permutations(list(options.items())))
    short = {name: value for name, value in shuffled if value != family.options[name].default}
    for other in (tuple(shuffled), tuple(short.items())):
        assert Stage(family.name, 8, depth, 1, other) == stage
    again = StageGenotype.from_dict(genotype(stage).to_dict())
    assert again == genotype(stage)
    assert again.key == genotype(stage).key


@settings(max_examples=200, deadline=None)
@given(described(), st.data())
def test_options_without_effect_change_nothing_and_others_change_the_key(
    drawn: tuple[Block, dict[str, Value], int], data: st.DataObject
) -> None:
    family, options, depth = drawn
    idle = {other for name, (value, others) in family.idle.items() if options[name] == value for other in others}
    idle |= set(family.strided)
    stage = Stage(family.name, 8, depth, 1, tuple(options.items()))
    for name, option in family.options.items():
        changed = {**options, name: data.draw(values(option))}
        other = Stage(family.name, 8, depth, 1, tuple(changed.items()))
        if name in idle or changed[name] == options[name]:
            assert genotype(other).key == genotype(stage).key
        elif name not in RESPELLED:
            assert genotype(other).key != genotype(stage).key


@settings(max_examples=100, deadline=None)
@given(described(), st.integers(1, 4))
def test_a_row_that_repeats_may_be_cut_anywhere(drawn: tuple[Block, dict[str, Value], int], cut: int) -> None:
    family, options, depth = drawn
    whole = Stage(family.name, 8, depth, 2 if family.strides and family.check is None else 1, tuple(options.items()))
    if cut >= depth:
        return
    first = Stage(family.name, 8, cut, whole.stride, tuple(options.items()))
    rest = Stage(family.name, 8, depth - cut, 1, tuple(options.items()))
    assert (genotype(first, rest).key == genotype(whole).key) == family.repeats
