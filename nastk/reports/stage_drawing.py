"""Draws a network of stages as an SVG: a bar for each block, as high as its map is large, as wide as it has channels.

The stages stand in a row, in the order in which an image goes through them; a stage's family, channels, stride and
options stand below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from nastk.genotype.blocks import block_named
from nastk.genotype.stages import Stage, StageGenotype

MARGIN = 14.0
TITLE = 34.0
TALLEST, LOWEST = 130.0, 12.0
THINNEST, WIDEST = 7.0, 26.0
GAP, STAGE_GAP = 3.0, 18.0
LINE = 15.0
LETTER = 6.0  # width of a character of 11 px sans-serif text
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


def draw_stages(genotype: StageGenotype, title: str, side: int | None = None) -> str:
    """Returns the SVG text of a network of stages; it needs no other file, and follows a dark colour scheme.

    Args:
        genotype: the stages.
        title: shown above the drawing and read out by screen readers.
        side: of the image, pixels; None where only how often a map is halved is known.
    """
    image = genotype.resolution or side
    stages = drawn_stages(genotype, image)
    families = list(dict.fromkeys(stage.family for stage in stages))
    parts: list[str] = []
    x, y, right = MARGIN, MARGIN + TITLE, 0.0
    for stage in stages:
        if x > MARGIN and x + stage.width > MOST_WIDTH:
            x, y = MARGIN, y + _row_height(stages) + STAGE_GAP
        parts += _stage(stage, x, y, FILLS[families.index(stage.family) % len(FILLS)], image)
        x += stage.width + STAGE_GAP
        right = max(right, x)
    width = max(right - STAGE_GAP, len(title) * 8.0 + MARGIN) + MARGIN
    height = y + _row_height(stages) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nastk-stages" role="img" aria-label="{escape(title)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"><style>{STYLE}</style>'
        f'<text class="ink" x="{MARGIN}" y="{MARGIN + 8}" style="font-size:14px;font-weight:600">{escape(title)}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def drawn_stages(genotype: StageGenotype, side: int | None = None) -> list[Drawn]:
    """Returns the stages to draw, the classifier last; without a side maps are counted from 256 pixels."""
    left, channels = side or 256, 0
    found: list[Drawn] = []
    for stage in genotype.body:
        left = -(-left // stage.stride)
        channels = channels if block_named(stage.block).keeps else stage.width
        blocks = ((channels, left),) * min(stage.depth, MOST_DRAWN)
        found.append(Drawn(_words(stage, channels, left if side else None), stage.block, blocks, stage.depth))
    end = genotype.classifier
    found.append(Drawn((_name(end.block), *_options(end)), end.block, ((channels, 1),), 1))
    return found


def _words(stage: Stage, channels: int, left: int | None) -> tuple[str, ...]:
    size = f"{channels}, {left}x{left} px" if left else f"{channels} channels"
    repeated = [f"{stage.depth} blocks"] if stage.depth > MOST_DRAWN else []
    stride = [f"stride {stage.stride}"] if stage.stride > 1 else []
    return (_name(stage.block), size, *repeated, *stride, *_options(stage))


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


def _row_height(stages: Sequence[Drawn]) -> float:
    return TALLEST + LINE * (max(len(stage.words) for stage in stages) + 1)


def _stage(stage: Drawn, x: float, y: float, fill: str, image: int | None) -> list[str]:
    parts, at = [], x
    for channels, side in stage.blocks:
        height = _high(side, image)
        parts.append(
            f'<rect x="{at:.1f}" y="{y + TALLEST - height:.1f}" width="{_thick(channels):.1f}" height="{height:.1f}" '
            f'rx="2" fill="{fill}"><title>{escape("; ".join(stage.words))}</title></rect>'
        )
        at += _thick(channels) + GAP
    for line, word in enumerate(stage.words):
        kind = "dim" if line else "ink"
        parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y + TALLEST + LINE * (line + 1):.1f}">{escape(word)}</text>'
        )
    return parts
