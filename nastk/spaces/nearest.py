"""The point of a space of stages that is nearest to a known network, so that a search can start from it."""

from __future__ import annotations

import itertools
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


class Met(NamedTuple):
    """A stage of the space with the network's stages that it is to stand for, and the stride that leads to them."""

    choices: StageChoices
    stages: list[Stage]
    stride: int

    @property
    def deepest(self) -> Stage | None:
        """The stage that it is to be like."""
        return max(self.stages, key=lambda stage: (stage.depth, stage.width), default=None)


def nearest_choices(space: StageSpace, genotype: StageGenotype, width: float = 1.0) -> dict[str, Value] | None:
    """Returns the choices that come nearest to a network, every one that the space asks for; None where it has none.

    The network's stages at one resolution go to the stages of the space that can be there, as many as are not needed
    for lower resolutions. One that stands for several takes family, options and width of the deepest and the blocks of
    all of them; one that stands for none is left out or as shallow as it may be.

    Args:
        space: the space.
        genotype: the network, for images of the size that the space is for.
        width: factor on the network's channels.
    """
    chosen: dict[str, Value] = {}
    if len(space.resolutions) > 1:
        side = genotype.resolution or space.size or max(space.resolutions)
        chosen["resolution"] = _closest(space.resolutions, side)
    parts = _met(space, genotype)
    for met in itertools.chain(*parts.values()):
        chosen |= _stage_choices(met, width)
    chosen |= _stage_choices(Met(space.end, [genotype.classifier], 1), 1.0)
    return chosen if any(met.stages for met in parts["stages"]) else None


def proportional_width(space: StageSpace, genotype: StageGenotype, widths: Sequence[float]) -> float:
    """Returns the first of the factors with which the space's widths are most nearly in proportion to a network's.

    For networks that are sized later: of one that is wider than the space the widest choices would all be alike.
    """
    stages = [met for met in _met(space, genotype)["stages"] if met.deepest is not None and met.deepest.width]

    def distortion(factor: float) -> float:
        wanted = [(met.choices.width, met.deepest.width * factor) for met in stages if met.deepest is not None]
        ratios = [math.log(_closest(choices, width) / width) for choices, width in wanted]
        return round(max(ratios, default=0.0) - min(ratios, default=0.0), 6)

    return min(widths, key=distortion)


def _met(space: StageSpace, genotype: StageGenotype) -> dict[str, list[Met]]:
    """Returns for each part of the space which of the network's stages its own stand for."""
    known, level = _levels(genotype), 0
    found: dict[str, list[Met]] = {"stem": [], "stages": [], "head": []}
    for part, met in found.items():
        rows = [one for one in known if one.stage in getattr(genotype, part)]
        for place, choices in enumerate(space.parts[part]):
            stride = _stride(choices, rows, level)
            level += stride.bit_length() - 1
            here = [one for one in rows if one.level == level and _family(choices, one.stage) is not None]
            here = here[: _share(here, rows, space.parts[part][place + 1 :])]
            rows = [one for one in rows if one not in here]
            whole = [one.stage for one in here if not block_named(one.stage.block).keeps]
            met.append(Met(choices, whole or [one.stage for one in here], stride))
    return found


def _share(here: Sequence[Known], rows: Sequence[Known], following: Sequence[StageChoices]) -> int:
    """Returns how many of the stages at a resolution a stage of the space takes, where following ones can have some.

    Those that are alike in family and width stay together.
    """
    groups = [len(list(same)) for _, same in itertools.groupby(here, lambda one: (one.stage.block, one.stage.width))]
    lower = len({one.level for one in rows if here and one.level > here[0].level})
    staying = len(list(itertools.takewhile(lambda one: 1 in one.stride, following)))
    others = max(0, min(staying, len(following) - lower, len(groups) - 1))
    return sum(groups[: len(groups) - others])


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


def _stage_choices(met: Met, width: float) -> dict[str, Value]:
    choices, stages, stride = met
    deepest = met.deepest
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
