"""The point of a space of stages that is nearest to a known network, so that a search can start from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nastk.checks import is_number, is_whole
from nastk.genotype.blocks import Value as Option
from nastk.genotype.blocks import block_named
from nastk.genotype.stages import Stage, StageGenotype
from nastk.spaces.space import Value
from nastk.spaces.stages import Choice, StageChoices, StageSpace


class Known(NamedTuple):
    """A stage of the known network: how often the map was halved before its output, and the stage."""

    level: int
    stage: Stage


def nearest_choices(space: StageSpace, genotype: StageGenotype, width: float = 1.0) -> dict[str, Value] | None:
    """Returns the choices that come nearest to a network, every one that the space asks for; None where it has none.

    A stage of the space takes the family, options and width of the deepest of the network's stages at the same
    resolution, and the blocks of all of them; where the network has none there, it is left out or as shallow as it may
    be.

    Args:
        space: the space.
        genotype: the network, for images of the size that the space is for.
        width: factor on the network's channels.
    """
    chosen: dict[str, Value] = {}
    if len(space.resolutions) > 1:
        side = genotype.resolution or space.size or max(space.resolutions)
        chosen["resolution"] = _closest(space.resolutions, side)
    known, level, met = _levels(genotype), 0, 0
    for part in ("stem", "stages", "head"):
        rows = [one for one in known if one.stage in getattr(genotype, part)]
        for choices in space.parts[part]:
            stride = _stride(choices, rows, level)
            level += stride.bit_length() - 1
            here = [one for one in rows if one.level == level and _family(choices, one.stage) is not None]
            rows = [one for one in rows if one not in here]
            met += bool(here) and part == "stages"
            chosen |= _stage_choices(choices, [one.stage for one in here], stride, width)
    chosen |= _stage_choices(space.end, [genotype.classifier], 1, 1.0)
    return chosen if met else None


def _levels(genotype: StageGenotype) -> list[Known]:
    found, stride = [], 1
    for stage in genotype.body:
        stride *= stage.stride
        found.append(Known(stride.bit_length() - 1, stage))
    return found


def _stride(choices: StageChoices, rows: Sequence[Known], level: int) -> int:
    """Returns the stride that leads to the next of the network's stages, the least where there is none."""
    ahead = [one.level for one in rows if one.level >= level]
    wanted = 2 ** (ahead[0] - level) if ahead else 1
    return min(choices.stride, key=lambda stride: (abs(math.log2(stride / wanted)), stride))


def _family(choices: StageChoices, stage: Stage) -> Choice | None:
    """Returns the choice that is the stage's family, with presets as near to its options as there are."""
    same = [choice for choice in choices.blocks if choice.family.name == stage.block]
    return min(same, key=lambda choice: _distance(dict(choice.preset), stage), default=None)


def _distance(options: Mapping[str, Option], stage: Stage) -> float:
    return sum(_apart(value, stage.every_option[name]) for name, value in options.items() if name in stage.every_option)


def _apart(one: object, other: object) -> float:
    return abs(one - other) if is_number(one) and is_number(other) else float(one != other)


def _stage_choices(choices: StageChoices, stages: Sequence[Stage], stride: int, width: float) -> dict[str, Value]:
    stages = [stage for stage in stages if not block_named(stage.block).keeps] or list(stages)
    deepest = max(stages, key=lambda stage: (stage.depth, stage.width), default=None)
    block = _family(choices, deepest) if deepest is not None else None
    depth = sum(stage.depth for stage in stages)
    wanted: dict[str, tuple[Sequence[object], object]] = {
        "block": (choices.blocks, block or choices.blocks[0]),
        "depth": (choices.depth, _closest(choices.depth, depth)),
        "width": (choices.width, _closest(choices.width, (deepest.width if deepest else 0) * width)),
        "stride": (choices.stride, stride),
    }
    every = deepest.every_option if deepest is not None else {}
    for name, values in choices.options:
        distances = [_apart(value, every.get(name)) for value in values]
        wanted[name] = values, values[distances.index(min(distances))]
    return {
        f"{choices.at}/{name}": _answer(values, value) for name, (values, value) in wanted.items() if len(values) > 1
    }


def _closest(values: Sequence[int], wanted: float) -> int:
    return min(values, key=lambda value: abs(value - wanted))


def _answer(values: Sequence[object], value: object) -> Value:
    """Returns a value as `Choose` gives it: whole numbers as they are, others by their names."""
    return value if all(map(is_whole, values)) and is_whole(value) else str(value)
