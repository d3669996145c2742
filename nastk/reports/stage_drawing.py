"""Draws a network of stages as an SVG: a bar for each block, as high as its map is large, as wide as it has channels.

The stages stand in a row, in the order in which an image goes through them; a stage's family, channels, stride and
options stand below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from nastk.genotype.blocks import block_named
from nastk.genotype.sides import side_after
from nastk.genotype.stages import Stage, StageGenotype

MARGIN = 14.0
TITLE = 34.0
TALLEST, LOWEST = 130.0, 12.0
THINNEST, WIDEST = 7.0, 26.0
GAP, STAGE_GAP = 3.0, 18.0
LINE = 15.0
LETTER = 6.4  # width of a character of 11 px sans-serif text
TITLE_LETTER = 9.2  # of the title, 14 px and bold
MOST_DRAWN = 8  # blocks of a stage; of a deeper one a number says how many there are
MOST_WIDTH = 940.0  # where the next stage would go beyond it, a new row begins
# Text on each of them is dark: Okabe and Ito's palette, told apart without seeing red or green.
FILLS = ("#9ad0f5", "#f2b661", "#8fd3b6", "#f5e27a", "#d9b3d8", "#e8a38c", "#b9c4cf")

STYLE = """
.nastk-stages text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:11px}
.nastk-stages .ink{fill:#1d2530}.nastk-stages .dim{fill:#5b6673}
.nastk-stages rect{stroke:#46515e;stroke-width:1}
@media (prefers-color-scheme:dark){
.nastk-stages .ink{fill:#e6eaf0}.nastk-stages .dim{fill:#9aa5b2}.nastk-stages rect{stroke:#aab4c0}}
"""


class Map(NamedTuple):
    """What a stage gives: channels, 0 where they are not known, and pixels of the longer side."""

    channels: int
    side: int


@dataclass(frozen=True)
class Drawn:
    """A stage to draw: its words, and for each block the channels and the map's side."""

    words: tuple[str, ...]
    family: str
    blocks: tuple[tuple[int, int], ...]
    depth: int

    @property
    def width(self) -> float:
        """Pixels across, bars or words, whichever is more."""
        bars = sum(_thick(channels) + GAP for channels, _ in self.blocks)
        return max(bars, max(len(word) for word in self.words) * LETTER)


def draw_stages(genotype: StageGenotype, title: str, side: int | None = None, maps: Sequence[Map] | None = None) -> str:
    """Returns the SVG text of a network of stages; it needs no other file, and follows a dark colour scheme.

    Args:
        genotype: the stages.
        title: shown above the drawing and read out by screen readers; a resolution of the network's own is added.
        side: of the image, pixels; None where only how often a map is halved is known.
        maps: that the stages give, where the network was built; else they are told by the genotype.
    """
    image = genotype.resolution or side
    title += f", images of {image}x{image} px" if genotype.resolution else ""
    stages = drawn_stages(genotype, image, maps)
    families = list(dict.fromkeys(stage.family for stage in stages))
    parts: list[str] = []
    y, right = MARGIN + TITLE, 0.0
    for row in _rows(stages):
        x, tallest = MARGIN, max(_high(stage.blocks[0][1], image) for stage in row)
        for stage in row:
            fill = FILLS[families.index(stage.family) % len(FILLS)]
            parts += _stage(stage, x, y + tallest, fill, image)
            x += stage.width + STAGE_GAP
        right = max(right, x)
        y += tallest + LINE * max(len(stage.words) for stage in row) + STAGE_GAP + LINE
    width = max(right - STAGE_GAP, len(title) * TITLE_LETTER + MARGIN) + MARGIN
    height = y - STAGE_GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nastk-stages" role="img" aria-label="{escape(title)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"><style>{STYLE}</style>'
        f'<text class="ink" x="{MARGIN}" y="{MARGIN + 8}" style="font-size:14px;font-weight:600">{escape(title)}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def drawn_stages(genotype: StageGenotype, side: int | None = None, maps: Sequence[Map] | None = None) -> list[Drawn]:
    """Returns the stages to draw, the classifier last; without a side maps are counted from 256 pixels."""
    maps = _told_maps(genotype, side or 256) if maps is None else maps
    found: list[Drawn] = []
    for stage, (channels, left) in zip(genotype.body, maps, strict=True):
        blocks = ((channels, left),) * min(stage.depth, MOST_DRAWN)
        words = _words(stage, channels, left if side else None)
        found.append(Drawn(words, stage.block, blocks, stage.depth))
    end = genotype.classifier
    found.append(Drawn((_name(end.block), *_options(end)), end.block, ((maps[-1].channels, 1),), 1))
    return found


def _told_maps(genotype: StageGenotype, side: int) -> list[Map]:
    """Returns the maps as far as a genotype tells them: not the channels that follow from what comes in."""
    channels, found = 0, []
    for stage in genotype.body:
        family = block_named(stage.block)
        side = max(side_after(stage, stage.depth, side), 1)
        channels = channels if family.keeps else stage.width
        found.append(Map(channels, side))
    return found


def _rows(stages: Sequence[Drawn]) -> list[list[Drawn]]:
    """Returns the stages in rows that are no wider than MOST_WIDTH."""
    rows: list[list[Drawn]] = [[]]
    x = MARGIN
    for stage in stages:
        if rows[-1] and x + stage.width > MOST_WIDTH:
            rows.append([])
            x = MARGIN
        rows[-1].append(stage)
        x += stage.width + STAGE_GAP
    return rows


def _words(stage: Stage, channels: int, left: int | None) -> tuple[str, ...]:
    told = [str(channels)] if channels and left else [f"{channels} channels"] if channels else []
    size = [", ".join(told + ([f"{left}x{left} px"] if left else []))] if channels or left else []
    repeated = [f"{stage.depth} blocks"] if stage.depth > MOST_DRAWN else []
    stride = [f"stride {stage.stride}"] if stage.stride > 1 else []
    return (_name(stage.block), *size, *repeated, *stride, *_options(stage))


def _name(block: str) -> str:
    return block.replace("_", " ")


def _options(stage: Stage) -> list[str]:
    return [f"{_name(name)} {_told(value)}" for name, value in stage.options]


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _thick(channels: int) -> float:
    return min(THINNEST + 2.2 * max(math.log2(max(channels, 1)) - 3, 0), WIDEST)


def _high(side: int, image: int | None) -> float:
    return max(TALLEST * math.sqrt(side / (image or 256)), LOWEST)


def _stage(stage: Drawn, x: float, y: float, fill: str, image: int | None) -> list[str]:
    """Draws a stage whose bars stand on `y`."""
    parts, at = [], x
    for channels, side in stage.blocks:
        height = _high(side, image)
        parts.append(
            f'<rect x="{at:.1f}" y="{y - height:.1f}" width="{_thick(channels):.1f}" height="{height:.1f}" '
            f'rx="2" fill="{fill}"><title>{escape("; ".join(stage.words))}</title></rect>'
        )
        at += _thick(channels) + GAP
    for line, word in enumerate(stage.words):
        kind = "dim" if line else "ink"
        parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y + LINE * (line + 1):.1f}">{escape(word)}</text>')
    return parts
