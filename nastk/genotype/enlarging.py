"""Networks that are a little larger than one of stages: a row of blocks wider, or by a block deeper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nastk.genotype.stages import GROUPS, Stage, StageGenotype

DIVISOR = 8


def enlargements(genotype: StageGenotype, divisor: int = DIVISOR) -> list[StageGenotype]:
    """Returns the genotype with one of its rows an eighth wider, for each row, then a step wider, then a block deeper.

    The widest and the deepest come first: they change the network's proportions least.

    Args:
        genotype: a network whose numbers of channels are what is built.
        divisor: channels a step; those of grouped convolutions remain a multiple of their groups.
    """
    forms = (_wider(genotype, divisor, 1 / 8), _wider(genotype, divisor, 0.0), _deeper(genotype))
    rows = [sorted(form, key=lambda one: -one[0]) for form in forms]
    return list(dict.fromkeys(larger for row in rows for _, larger in row))


def _deeper(genotype: StageGenotype) -> Iterator[tuple[int, StageGenotype]]:
    for place, stage in enumerate(genotype.stages):
        deeper = replace(stage, depth=stage.depth + 1)
        yield stage.depth, replace(genotype, stages=(*genotype.stages[:place], deeper, *genotype.stages[place + 1 :]))


def _wider(genotype: StageGenotype, divisor: int, share: float) -> Iterator[tuple[int, StageGenotype]]:
    for name in GROUPS:
        rows: tuple[Stage, ...] = getattr(genotype, name)
        for place, stage in enumerate(rows):
            if not stage.width:
                continue
            groups = stage.every_option.get("groups", 1)
            step = math.lcm(divisor, groups if isinstance(groups, int) else 1)
            steps = max(1, int(stage.width * share) // step)
            wider = replace(stage, width=(stage.width // step + steps) * step)
            changed: dict[str, Any] = {name: (*rows[:place], wider, *rows[place + 1 :])}
            yield stage.width, replace(genotype, **changed)
