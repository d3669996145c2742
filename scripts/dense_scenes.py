"""Scenes: items pasted on a background, with the mask and the boxes of what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nastk.dense.task import NOT_COUNTED

MOST_ITEMS = 4
SCALES = (0.25, 0.55)  # side of an item, share of the image's
SEEN = 0.5  # of an item's pixels at least, or nothing is pasted over it any more
EDGE = (0.25, 0.75)  # how opaque a pixel is that is neither item nor background: it is not counted

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """An image, its mask, and the boxes and labels (0 the first class) of what is seen in it."""

    image: Pixels
    mask: Pixels
    boxes: list[tuple[int, int, int, int]]
    labels: list[int]


def paste(items: list[list[Pixels]], backgrounds: list[Pixels], size: int, generator: np.random.Generator) -> Scene:
    """Returns a background with one to four items."""
    image = cut(backgrounds[generator.integers(len(backgrounds))], size, generator)
    mask = np.zeros((size, size), np.uint8)
    owner = np.full((size, size), -1)
    labels: list[int] = []
    areas: list[int] = []
    for _ in range(generator.integers(1, MOST_ITEMS + 1)):
        label = int(generator.integers(len(items)))
        item = items[label][generator.integers(len(items[label]))]
        top, left, opaque, colours = drawn(item, size, generator)
        spot = slice(top, top + len(opaque)), slice(left, left + len(opaque))
        new = owner.copy()
        new[spot][opaque > 0.5] = len(labels)
        seen = [int((new == index).sum()) for index in range(len(labels) + 1)]
        if not seen[-1] or any(count < SEEN * area for count, area in zip(seen, areas, strict=False)):
            continue
        owner, areas, labels = new, [*areas, seen[-1]], [*labels, label]
        image[spot] = image[spot] * (1 - opaque[..., None]) + colours * opaque[..., None]
        mask[spot][opaque > EDGE[0]] = NOT_COUNTED
        mask[spot][opaque > EDGE[1]] = label + 1
    return Scene(image.round().astype(np.uint8), mask, [box_of(owner == index) for index in range(len(labels))], labels)


def cut(photo: Pixels, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Returns a square of at least half a photograph's side, perhaps mirrored, brought to `size`."""
    shorter = min(photo.shape[:2])
    side = int(generator.integers(shorter // 2, shorter + 1))
    top, left = (int(generator.integers(0, length - side + 1)) for length in photo.shape[:2])
    part = photo[top : top + side, left : left + side]
    part = part[:, ::-1] if generator.random() < 0.5 else part
    scaled = Image.fromarray(np.ascontiguousarray(part)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(scaled, float)


def drawn(
    item: Pixels, size: int, generator: np.random.Generator
) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
    """Returns where an item goes, how opaque each of its pixels is, and its colours (side, side, 3)."""
    side = int(generator.integers(round(SCALES[0] * size), round(SCALES[1] * size) + 1))
    scaled = Image.fromarray(item).resize((side, side), Image.Resampling.BILINEAR)
    shape = Image.fromarray(np.where(item > 0, 255, 0).astype(np.uint8)).resize(scaled.size, Image.Resampling.BILINEAR)
    grey, opaque = np.asarray(scaled, float) / 255, np.asarray(shape, float) / 255
    tint = generator.uniform(60, 255, 3)
    top, left = generator.integers(0, size - side + 1, 2)
    return int(top), int(left), opaque, (0.25 + 0.75 * grey[..., None]) * tint


def box_of(seen: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Returns x0, y0, x1, y1 around the pixels of one item."""
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
