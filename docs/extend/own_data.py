"""A data set of one's own: bars at four angles, drawn when they are asked for. Yours reads its files instead."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nastk.data.images import ImageSet
from nastk.data.source import SourceSettings


@dataclass(frozen=True, kw_only=True)
class Bars(SourceSettings):
    """Grey images of a bar through noise; the class is its angle.

    Attributes, beside those of `SourceSettings`:
        images: of each class, a fifth of them for testing.
        noise: standard deviation of the pixels, of 255.
    """

    images: int = 200
    noise: float = 40.0
    name: ClassVar[str] = "bars"
    classes: ClassVar[tuple[str, ...]] = ("flat", "rising", "upright", "falling")
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 16

    def train(self) -> ImageSet:
        return self._part(1, self.images - self.images // 5)

    def test(self) -> ImageSet:
        return self._part(2, self.images // 5)

    def _part(self, seed: int, count: int) -> ImageSet:
        rng, (rows, columns) = np.random.default_rng(seed), np.mgrid[-7.5:8.5, -7.5:8.5]
        y = np.repeat(np.arange(4), count)
        angle, shift = (y * np.pi / 4)[:, None, None], rng.uniform(-4, 4, (len(y), 1, 1))
        bars = 180.0 * (np.abs(columns * np.sin(angle) + rows * np.cos(angle) - shift) < 1.5)
        x = np.clip(bars + rng.normal(30, self.noise, bars.shape), 0, 255).astype(np.uint8)
        return self.from_arrays("data bars", x, y, len(self.classes))
