"""Images of an array, resized at once or, where memory would not hold the result, when they are asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nastk.data.images import Images, ImageSet
from nastk.data.resize import resized
from nastk.data.stored import StoredImages


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """Resizes single images of `x`, uint8 (n, channels, height, width); see `Reader`. Workers share the array."""

    x: Tensor
    size: int

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return int(self.x.shape[1])

    def read(self, row: int) -> NDArray[np.uint8]:
        """Returns image `row` as uint8 (channels, size, size)."""
        made: NDArray[np.uint8] = resized(self.x[row : row + 1], self.size)[0].numpy()
        return made

    def where(self, row: int) -> str:
        """Returns what messages call the image."""
        return f"image {row}"

    def fingerprint(self, rows: NDArray[np.int64]) -> bytes:
        """Returns a hash of the pixels."""
        digest = hashlib.sha256()
        for row in rows:
            digest.update(self.x[row].numpy().tobytes())
        return digest.digest()


def brought_to(images: Images, size: int, memory_gb: float, workers: int | None) -> ImageSet:
    """Returns the images with `size` pixels a side: in memory up to `memory_gb` gigabytes, else resized by workers."""
    if len(images) * images.channels * size**2 <= memory_gb * 1e9:
        return Images(resized(images.x, size), images.y)
    rows = torch.arange(len(images))
    return StoredImages(ArrayReader(images.x, size), images.y, rows, memory_gb=memory_gb, workers=workers)
