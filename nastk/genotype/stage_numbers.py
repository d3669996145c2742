"""A genotype of stages as numbers: what a predictor of accuracy reads, and the terms that a latency can be a sum of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from nastk.genotype.blocks import block_named
from nastk.genotype.paths import hashed_place
from nastk.genotype.stages import StageGenotype

WIDTH = 256
LEVELS = 7  # a level is how often the map has been halved: 0 to 6, and what is smaller still
PLAIN = 4  # numbers of each level
WORK = 1000.0  # products of channels that count as one


class Placed(NamedTuple):
    """A block where it stands: its family, the level of its output, channels in and out, and its options."""

    block: str
    level: int
    channels_in: int
    channels_out: int
    options: tuple[tuple[str, object], ...]


def placed_blocks(genotype: StageGenotype, channels: int = 3) -> Iterator[Placed]:
    """Yields the blocks of stem, stages and head in order; those that hand on what comes in are left out."""
    stride = 1
    for stage in genotype.body:
        facts = block_named(stage.block)
        for index in range(stage.depth):
            step = 1 if index else stage.stride
            width = channels if facts.keeps else stage.width
            stride *= step
            if not (facts.passes and step == 1 and width == channels):
                level = min(stride.bit_length() - 1, LEVELS - 1)
                yield Placed(stage.block, level, channels, width, tuple(stage.every_option.items()))
            channels = width


def stage_encoding(genotype: StageGenotype, width: int = WIDTH) -> list[float]:
    """Returns numbers of a fixed count: of each level the blocks, their mean channels, expansion and kernel, then how
    often each pair of level and family, and of level and option, occurs, in places by a hash of the pair; so does the
    classifier, which has no level.

    Equal keys give equal numbers, for what counts is the row of blocks, not how it is cut into stages.

    Args:
        genotype: the stages.
        width: how many numbers to return, at least 64.
    """
    plain = [0.0] * (2 + PLAIN * LEVELS)
    hashed = [0.0] * (width - len(plain))
    plain[0] = 8 / genotype.resolution if genotype.resolution else 0.0  # grows as images shrink, from the data's own
    for block in placed_blocks(genotype):
        plain[1] += 1
        options = dict(block.options)
        at = 2 + PLAIN * block.level
        for place, value in enumerate(
            (1.0, block.channels_out / 64, _number(options, "expansion"), _number(options, "kernel"))
        ):
            plain[at + place] += value
        hashed[hashed_place((str(block.level), block.block), len(hashed))] += 1
        for name, chosen in block.options:
            hashed[hashed_place((str(block.level), name, str(chosen)), len(hashed))] += 1
    end = genotype.classifier
    hashed[hashed_place(("classifier", end.block), len(hashed))] += 1
    for name, chosen in end.every_option.items():
        hashed[hashed_place(("classifier", name, str(chosen)), len(hashed))] += 1
    for level in range(LEVELS):
        at = 2 + PLAIN * level
        for place in range(1, PLAIN):
            plain[at + place] /= max(plain[at], 1.0)
    return plain + hashed


def stage_terms(genotype: StageGenotype) -> dict[str, float]:
    """Returns the terms of a latency that is a sum over blocks.

    Terms are "family/level", how many blocks of a family have their output at a level, and "family/level/work", the
    products of their channels in and out, times the expansion where there is one. Those of a genotype with a resolution
    of its own have it in the level, as in "conv/2@24": a block costs something else there.
    """
    terms: defaultdict[str, float] = defaultdict(float)
    side = f"@{genotype.resolution}" if genotype.resolution else ""
    for block in placed_blocks(genotype):
        at = f"{block.block}/{block.level}{side}"
        expansion = _number(dict(block.options), "expansion") or 1.0
        terms[at] += 1.0
        terms[f"{at}/work"] += block.channels_in * block.channels_out * expansion / WORK
    return dict(terms)


def _number(options: dict[str, object], name: str) -> float:
    value = options.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
