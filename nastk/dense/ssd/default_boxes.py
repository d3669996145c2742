"""Default boxes: the boxes of several scales and shapes, at each place of each map, that offsets are predicted to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LEAST_SCALE, MOST_SCALE = 0.2, 0.9
RATIOS = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)


def scales(maps: int) -> list[float]:
    """Returns s_1 .. s_m and s_(m+1) of section 2.2, as shares of the image: evenly spaced from 0.2 to 0.9, and on."""
    step = (MOST_SCALE - LEAST_SCALE) / max(maps - 1, 1)
    return [LEAST_SCALE + step * place for place in range(maps + 1)]


def shapes(scale: float, following: float, ratios: Sequence[float] = RATIOS) -> list[tuple[float, float]]:
    """Returns width and height of the boxes at each place of a map.

    Args:
        scale: of the map.
        following: the scale of the next: between the two lies one more square.
        ratios: width to height.
    """
    usual = [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for ratio in ratios]
    between = math.sqrt(scale * following)
    return [*usual, (between, between)]


def default_boxes(
    maps: Sequence[tuple[int, int]], height: int, width: int, ratios: Sequence[Sequence[float]] | None = None
) -> Tensor:
    """Returns all default boxes of an image.

    Scales are shares of the image's shorter side, so that a ratio is one of pixels whatever shape the image has.
    Boxes may reach beyond the image.

    Args:
        maps: height and width of each, the largest first.
        height, width: of the image, pixels.
        ratios: of each map, width to height; None for 1, 2, 3, 1/2, 1/3 on all.

    Returns:
        float32 (d, 4): centre x, centre y, width, height in pixels; map by map, row by row, place by place.
    """
    per_map = [RATIOS] * len(maps) if ratios is None else ratios
    steps = scales(len(maps))
    found = []
    for (rows, columns), of_map, scale, following in zip(maps, per_map, steps[:-1], steps[1:], strict=True):
        sizes = torch.tensor(shapes(scale, following, of_map), dtype=torch.float64) * min(height, width)
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * height / rows
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * width / columns
        centres = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)
        each = [part.expand(rows, columns, len(sizes), 2) for part in (centres[:, :, None], sizes)]
        found.append(torch.cat(each, -1).reshape(-1, 4))
    return torch.cat(found).float()
