"""The least steps by which a genotype of stages grows."""

from __future__ import annotations

from nastk.genotype.stages import Stage, StageGenotype
from nastk.genotype.widening import single_steps, widened, widening_path, width_groups

NETWORK = StageGenotype(
    stem=(Stage("conv", 16, stride=2),),
    stages=(
        Stage("residual_basic", 24, 2, 2),
        Stage("rep_conv", 24, options=(("groups", 3),)),
        Stage("residual_basic", 24, 1, 2),
    ),
)


def test_stages_with_a_shortcut_between_them_grow_together_by_what_their_groups_divide() -> None:
    assert width_groups(NETWORK) == [(0,), (1, 2), (3,)]
    assert [stage.width for stage in widened(NETWORK, (1, 2)).body] == [16, 48, 48, 24]
    assert [stage.width for stage in widened(NETWORK, (3,)).body] == [16, 24, 24, 32]


def test_a_path_grows_what_has_grown_the_least() -> None:
    widths = [[stage.width for stage in one.body] for one in widening_path(NETWORK, 3)]
    assert widths == [[16, 24, 24, 32], [24, 24, 24, 32], [24, 24, 24, 40]]


def test_single_steps_are_each_width_and_a_block_of_each_stage() -> None:
    forms = [step(NETWORK) for step in single_steps(NETWORK)]
    assert len({form.key for form in forms}) == len(forms) == 6
    assert [sum(stage.depth for stage in form.stages) for form in forms] == [4, 4, 4, 5, 5, 5]
