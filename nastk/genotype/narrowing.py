"""How a genotype of stages becomes narrower by the least that there is: eight channels of a stage, or half a time of
the channels inside its blocks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from nastk.genotype.stages import Stage, StageGenotype
from nastk.genotype.widening import width_groups, width_step, with_stages

# Families with `expansion` times as many channels inside as outside; of others it says how many fewer.
EXPANDED = ("inverted_residual", "fused_inverted_residual", "universal_inverted_bottleneck", "partial_conv")
EXPANSION = "expansion"
EXPANSION_STEP = 0.5
LEAST_EXPANSION = 1.5  # of 1 some blocks have other layers


class Group(NamedTuple):
    """Channels of a genotype that become fewer together.

    Attributes:
        places: in `body` of the stages whose widths must agree, or of the one stage whose blocks have them inside.
        inside: whether they are those inside its blocks.
    """

    places: tuple[int, ...]
    inside: bool = False

    @property
    def name(self) -> str:
        """What a record calls it: "width 1+2", "expansion 3", by the places."""
        return f"{EXPANSION if self.inside else 'width'} {'+'.join(map(str, self.places))}"

    def size(self, genotype: StageGenotype) -> float:
        """Returns the group's channels in a genotype; of those inside blocks, how many times those outside."""
        stage = genotype.body[self.places[0]]
        return float(_expansion(stage) if self.inside else stage.width)


def narrowing_groups(genotype: StageGenotype) -> list[Group]:
    """Returns the groups of channels of a genotype that may become fewer."""
    widths = [Group(places) for places in width_groups(genotype)]
    expanded = [Group((place,), inside=True) for place, stage in enumerate(genotype.body) if _expansion(stage)]
    return [*widths, *expanded]


def resized(genotype: StageGenotype, group: Group, size: float) -> StageGenotype:
    """Returns the genotype with a group of another size, as `Group.size` tells it."""
    if not group.inside:
        return with_stages(genotype, {place: replace(genotype.body[place], width=int(size)) for place in group.places})
    (place,) = group.places
    stage = genotype.body[place]
    options = tuple({**dict(stage.options), EXPANSION: size}.items())
    return with_stages(genotype, {place: replace(stage, options=options)})


def narrower_sizes(genotype: StageGenotype, group: Group) -> list[float]:
    """Returns the sizes that a group can become narrower to, the widest first: the lower multiples of its step."""
    step = EXPANSION_STEP if group.inside else width_step(genotype, group.places)
    least = LEAST_EXPANSION if group.inside else step
    below = math.ceil(group.size(genotype) / step) - 1
    return [count * step for count in range(below, 0, -1) if count * step >= least]


def _expansion(stage: Stage) -> float:
    """Returns how many times as many channels a stage's blocks have inside; 0 where that is not what they say."""
    return float(stage.every_option[EXPANSION]) if stage.block in EXPANDED else 0.0  # type: ignore[arg-type]
