"""A small data source: two classes of 8x8 images that a network can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Labelled:
    x: torch.Tensor
    y: torch.Tensor

    def pixels(self, indices: torch.Tensor) -> torch.Tensor:
        return self.x[indices]

    def batches(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return zip(self.x.split(batch), self.y.split(batch), strict=True)


def made(labels: torch.Tensor) -> Labelled:
    """Returns images whose first pixel is their index."""
    x = torch.zeros((len(labels), 1, 2, 2), dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.arange(len(labels))
    return Labelled(x, labels)


@dataclass(frozen=True)
class Source:
    """Noise, brighter on the left in class 0 and on the right in class 1."""

    name: str = "made"
    classes: tuple[str, ...] = ("0", "1")
    channels: int = 1
    size: int = 8

    def train(self) -> Labelled:
        return self._images(200, seed=0)

    def test(self) -> Labelled:
        return self._images(100, seed=1)

    def _images(self, count: int, seed: int) -> Labelled:
        generator = torch.Generator().manual_seed(seed)
        y = torch.randint(0, 2, (count,), generator=generator)
        x = torch.randint(0, 200, (count, self.channels, self.size, self.size), generator=generator)
        half = self.size // 2
        x[y == 0, :, :, :half] += 40
        x[y == 1, :, :, half:] += 40
        return Labelled(x.to(torch.uint8), y)
