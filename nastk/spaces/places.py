"""Where the stages of a genotype stand in its space of stages: which place each of them is a choice of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from nastk.errors import UserError
from nastk.genotype.blocks import Value
from nastk.genotype.stages import GROUPS, Stage, StageGenotype
from nastk.spaces.stages import Choice, StageChoices, StageSpace

SOME = 8  # channels of a stage whose width does not matter

Form = tuple[str, tuple[tuple[str, Value], ...]]
"""A block family with the options that differ from its defaults."""


class Placed(NamedTuple):
    """A stage of a genotype, and the name of its place in the space: "stages/2"."""

    at: str
    stage: Stage


class Places:
    """The places of a space, and which networks it holds.

    Args:
        space: of stages.
    """

    def __init__(self, space: StageSpace) -> None:
        self._space = space
        self._forms: dict[tuple[str, int], frozenset[Form]] = {}

    def of(self, genotype: StageGenotype) -> list[Placed] | None:
        """Returns each stage of a genotype with its place, the classifier last; None where the space lacks it.

        Places of depth 0 are left out. Where a network can be read in several ways, each stage is as far in front as it
        may be, so that one network always has the same places.
        """
        if genotype.resolution not in (0, *self._space.resolutions):
            return None
        found: list[Placed] = []
        for group in GROUPS:
            row = self._aligned(self._space.parts[group], getattr(genotype, group))
            if row is None:
                return None
            found += row
        end = self._aligned((self._space.end,), (genotype.classifier,))
        return None if end is None else [*found, *end]

    def _aligned(self, row: Sequence[StageChoices], stages: Sequence[Stage]) -> list[Placed] | None:
        """Returns the stages at their places of a row, in order; None where they do not fit."""
        if not row:
            return None if stages else []
        first, rest = row[0], row[1:]
        if stages and self._may_be(first, stages[0]):
            found = self._aligned(rest, stages[1:])
            if found is not None:
                return [Placed(first.at, stages[0]), *found]
        return self._aligned(rest, stages) if 0 in first.depth else None

    def _may_be(self, choices: StageChoices, stage: Stage) -> bool:
        """Says whether a place may be a stage; a stride may have become 1, where images are small."""
        if stage.width not in (0, *choices.width) or stage.depth not in choices.depth:
            return False
        if stage.stride not in (1, *choices.stride):
            return False
        if (choices.at, stage.stride) not in self._forms:
            every = (forms(choices, choice, stage.stride) for choice in choices.blocks)
            self._forms[choices.at, stage.stride] = frozenset(itertools.chain.from_iterable(every))
        return (stage.block, stage.options) in self._forms[choices.at, stage.stride]


def forms(choices: StageChoices, choice: Choice, stride: int) -> list[Form]:
    """Returns what blocks of one choice of a place may be, each once: its family may be another of the same function.

    Args:
        choices: the place.
        choice: one of its blocks.
        stride: of the first block.
    """
    own = [(name, values) for name, values in choices.options if name in choice.family.options]
    found: dict[Form, None] = {}
    for combination in itertools.product(*(values for _, values in own)):
        given = {name: value for (name, _), value in zip(own, combination, strict=True)}
        options = tuple({**given, **dict(choice.preset)}.items())
        try:
            stage = Stage(choice.family.name, 0 if choice.family.classifier else SOME, 1, stride, options)
        except UserError:  # of options that cannot go together the space tells when they are chosen
            continue
        found[stage.block, stage.options] = None
    return list(found)
