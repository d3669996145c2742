"""How a genotype of stages grows by the least that there is: eight channels of a stage, or one block."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from nastk.genotype.blocks import MOST_CHANNELS, block_named
from nastk.genotype.scaling import channel_step
from nastk.genotype.stages import GROUPS, MOST_DEPTH, Stage, StageGenotype

Step = Callable[[StageGenotype], StageGenotype]
"""Makes a larger genotype of one."""


def width_groups(genotype: StageGenotype) -> list[tuple[int, ...]]:
    """Returns the places in `body` of the stages whose widths may grow, those that must agree together.

    A stage without a stride that is as wide as the one before has a shortcut from it, which only equal widths keep.
    """
    groups: list[tuple[int, ...]] = []
    before = 0
    for place, stage in enumerate(genotype.body):
        if stage.width and not block_named(stage.block).keeps:
            if groups and stage.stride == 1 and stage.width == before:
                groups[-1] = (*groups[-1], place)
            else:
                groups.append((place,))
        before = stage.width
    return groups


def width_step(genotype: StageGenotype, group: Sequence[int]) -> int:
    """Returns by how many channels a group grows: eight, or what its groups of convolutions divide too."""
    return math.lcm(*(channel_step(genotype.body[place]) for place in group))


def widened(genotype: StageGenotype, group: Sequence[int]) -> StageGenotype:
    """Returns the genotype with a group grown to its next multiple; the same where no stage may be wider."""
    step = width_step(genotype, group)
    width = (genotype.body[group[0]].width // step + 1) * step
    if width > MOST_CHANNELS:
        return genotype
    return with_stages(genotype, {place: replace(genotype.body[place], width=width) for place in group})


def widening_path(genotype: StageGenotype, steps: int) -> list[StageGenotype]:
    """Returns ever wider forms, each a step above the one before, that keep the proportions as far as there are steps.

    Each step is of the group that has then grown the least; the form itself is not among them.
    """
    groups, path, latest = width_groups(genotype), [], genotype
    for _ in range(steps if groups else 0):
        latest = widened(latest, min(groups, key=lambda group: _growth(genotype, latest, group)))
        path.append(latest)
    return path


def single_steps(genotype: StageGenotype) -> list[Step]:
    """Returns every step: the groups' widths, the least growth first, then a block more for each stage."""

    def wider(group: tuple[int, ...]) -> Step:
        return lambda one: widened(one, group)

    def deeper(place: int) -> Step:
        return lambda one: _deepened(one, place)

    groups = sorted(width_groups(genotype), key=lambda group: _growth(genotype, genotype, group))
    body = range(len(genotype.stem), len(genotype.stem) + len(genotype.stages))
    return [*map(wider, groups), *(deeper(place) for place in body if _deepens(genotype.body[place]))]


def _growth(first: StageGenotype, latest: StageGenotype, group: Sequence[int]) -> float:
    """Returns how much wider than at first a group is after its next step."""
    return widened(latest, group).body[group[0]].width / first.body[group[0]].width


def _deepens(stage: Stage) -> bool:
    """Says whether another block of a stage is another layer of its network."""
    family = block_named(stage.block)
    return bool(stage.width) and family.repeats and not family.passes


def _deepened(genotype: StageGenotype, place: int) -> StageGenotype:
    stage = genotype.body[place]
    if stage.depth >= MOST_DEPTH:
        return genotype
    return with_stages(genotype, {place: replace(stage, depth=stage.depth + 1)})


def with_stages(genotype: StageGenotype, changed: dict[int, Stage]) -> StageGenotype:
    """Returns the genotype with other stages at some places of `body`."""
    body = [changed.get(place, stage) for place, stage in enumerate(genotype.body)]
    rows: dict[str, tuple[Stage, ...]] = {}
    for name in GROUPS:
        count = len(getattr(genotype, name))
        rows[name], body = tuple(body[:count]), body[count:]
    return replace(genotype, **rows)  # type: ignore[arg-type]
