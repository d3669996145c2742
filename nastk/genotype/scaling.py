"""How a genotype of stages is made wider or deeper: compound scaling's two factors, and the channels that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nastk.genotype.blocks import Value, Whole, Wholes, block_named
from nastk.genotype.stages import Stage, StageGenotype


@dataclass(frozen=True)
class Scaling:
    """How a genotype's numbers become a network's: compound scaling's width and depth (Tan, Le, ICML 2019).

    Attributes:
        width: factor on every number of channels; 1 leaves them as they are written.
        depth: factor on the blocks of each stage, rounded up; stem and head keep theirs.
        divisor: scaled channels are multiples of it, so that the kernels of a processor run full.
    """

    width: float = 1.0
    depth: float = 1.0
    divisor: int = 8

    def channels(self, channels: int) -> int:
        """Returns the scaled number of channels."""
        return channels if self.width == 1 else divisible(channels * self.width, self.divisor)

    def width_of(self, stage: Stage) -> int:
        """Returns the scaled channels of a stage; those of grouped convolutions remain a multiple of their groups."""
        if self.width == 1 or not stage.width:
            return stage.width
        return divisible(stage.width * self.width, channel_step(stage, self.divisor))

    def blocks(self, depth: int) -> int:
        """Returns the scaled number of blocks."""
        return max(1, math.ceil(round(depth * self.depth, 6)))

    def genotype(self, genotype: StageGenotype) -> StageGenotype:
        """Returns the network of this size as a genotype, whose own numbers are what is built."""

        def scaled(row: tuple[Stage, ...], deeper: bool = False) -> tuple[Stage, ...]:
            return tuple(
                replace(
                    stage,
                    width=self.width_of(stage),
                    depth=self.blocks(stage.depth) if deeper else stage.depth,
                    options=tuple(self.options(stage).items()),
                )
                for stage in row
            )

        return replace(
            genotype,
            stem=scaled(genotype.stem),
            stages=scaled(genotype.stages, deeper=True),
            head=scaled(genotype.head),
            classifier=scaled((genotype.classifier,))[0],
        )

    def depths(self, genotype: StageGenotype) -> list[tuple[Stage, int]]:
        """Returns stem, stages and head with the depth of each."""
        deep = [(stage, self.blocks(stage.depth)) for stage in genotype.stages]
        stem, head = ([(stage, stage.depth) for stage in row] for row in (genotype.stem, genotype.head))
        return [*stem, *deep, *head]

    def options(self, stage: Stage) -> Mapping[str, Value]:
        """Returns every option of a stage, those that are numbers of channels scaled."""
        options = dict(stage.every_option)
        for name, option in block_named(stage.block).options.items():
            if isinstance(option, Whole | Wholes) and option.channels:
                options[name] = self._scaled(options[name])
        return options

    def _scaled(self, value: Value) -> Value:
        """Returns the scaled numbers of channels; 0 stands for none, and stays."""
        if isinstance(value, tuple):
            return tuple(self.channels(item) if item else 0 for item in value)
        return self.channels(int(value)) if value else value


def channel_step(stage: Stage, divisor: int = 8) -> int:
    """Returns of what the channels of a stage are a multiple: of `divisor`, and of the groups of its convolutions."""
    groups = stage.every_option.get("groups", 1)
    return math.lcm(divisor, groups if isinstance(groups, int) else 1)


def divisible(channels: float, divisor: int = 8) -> int:
    """Returns the multiple of `divisor` nearest to `channels`, but not below nine tenths of it, at least one divisor.

    The rule of MobileNetV2's reference (Sandler et al., CVPR 2018).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
