"""Narrowing takes, step by step, what loses least for what it saves, and stops where the limits are met."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from nastk.budget import LATENCY
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer.narrowed import NothingNarrowEnough, Ruler, narrowed, narrowest
from nastk.jobs.transfer.sizing import Limit

WIDE = StageGenotype((Stage("residual_basic", 64, stride=2), Stage("residual_basic", 128, stride=2)))


def widths(form: StageGenotype) -> tuple[int, ...]:
    return tuple(stage.width for stage in form.body)


def cost(form: StageGenotype) -> dict[str, float]:
    """Each channel of the second stage costs half of one of the first."""
    first, second = widths(form)
    return {"params": float(2 * first + second)}


def lost(form: StageGenotype) -> float:
    """A channel of the first is worth 1; of the second the first 40 are worth nothing, the others 5 each."""
    first, second = widths(form)
    return float(64 - first) + 5.0 * max(0, 128 - second - 40)


def test_what_is_worth_least_goes_first_until_the_limit_is_met() -> None:
    ruler = Ruler(cost, [Limit("params", 180.0, "transfer.max_params")])
    steps = list(narrowed(WIDE, WIDE, ruler, lost))
    assert [step.group.name for step in steps][:2] == ["width 1", "width 1"]
    assert min(widths(step.form)[1] for step in steps) >= 88
    assert widths(steps[-1].form) == (46 // 8 * 8, 88) and cost(steps[-1].form)["params"] <= 180
    again = list(narrowed(WIDE, steps[0].form, Ruler(cost, ruler.limits), lost))
    assert again == steps[1:]


def test_each_step_saves_a_share_of_what_is_left() -> None:
    steps = list(narrowed(WIDE, WIDE, Ruler(cost, [Limit("params", 100.0, "")]), lost))
    before = [256.0, *(step.cost["params"] for step in steps)]
    assert all(old - new >= min((old - 100) / 4, 8) for old, new in itertools.pairwise(before))
    assert (before[0] - before[1]) >= 0.25 * 156


def test_the_narrowest_form_that_breaks_a_limit_is_told() -> None:
    with pytest.raises(NothingNarrowEnough) as told:
        list(narrowed(WIDE, WIDE, Ruler(cost, [Limit("params", 20.0, "")]), lost))
    assert told.value.cost == {"params": 24.0}
    assert widths(narrowest(WIDE, lost)) == (8, 8)


def test_what_cannot_be_cut_is_passed_over() -> None:
    def only_the_second(form: StageGenotype) -> float | None:
        return lost(form) if widths(form)[0] == 64 and widths(form)[1] != 64 else None

    steps = list(narrowed(WIDE, WIDE, Ruler(cost, [Limit("params", 184.0, "")]), only_the_second))
    assert {step.group.name for step in steps} == {"width 1"}
    assert widths(narrowest(WIDE, only_the_second)) == (64, 8)


def test_a_latency_keeps_its_margin_and_is_measured_once_more() -> None:
    asked: list[str] = []

    def measure(form: StageGenotype) -> Mapping[str, float]:
        asked.append(form.key)
        slower = 1.2 if asked.count(form.key) > 1 else 1.0
        return {LATENCY: slower * cost(form)["params"]}

    ruler = Ruler(measure, [Limit(LATENCY, 200.0, "")])
    steps = list(narrowed(WIDE, WIDE, ruler, lost))
    final = steps[-1].form
    assert asked.count(final.key) >= 2 and ruler.cost(final)[LATENCY] <= 0.99 * 200
    assert cost(final)["params"] * 1.2 <= 0.99 * 200
