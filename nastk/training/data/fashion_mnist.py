"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four IDX files, packed or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError
from nastk.training.data.folder import data_folder, find_file, read_bytes
from nastk.training.data.images import Images, checked, same_kind
from nastk.training.data.source import SourceSettings


@dataclass(frozen=True, kw_only=True)
class FashionMnist(SourceSettings):
    """Articles of clothing, grey, 28x28: 60,000 for training and 10,000 for testing.

    Files of the same layout with ten classes (MNIST, KMNIST) are read as well, under these class names.

    Attributes:
        root: folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., each as it is or with .gz.
        resize and the others: see `SourceSettings`.
    """

    flip: bool = True

    name: ClassVar[str] = "fashion_mnist"
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    channels: ClassVar[int] = 1

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.resize or 28

    def train(self) -> Images:
        """Returns the images of the files train-*."""
        return self._part("train")

    def test(self) -> Images:
        """Returns the images of the files t10k-*."""
        return self._part("t10k")

    def _part(self, part: str) -> Images:
        folder = data_folder(self.name, self.root)
        files = [
            find_file(self.name, folder, (stem, f"{stem}.gz"))
            for stem in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        ]
        x, y = (read_idx(self.name, path, dimensions) for path, dimensions in zip(files, (3, 1), strict=True))
        where = f"data {self.name}: {files[0]}"
        return same_kind(where, checked(where, x, y, len(self.classes), self.resize), self.channels, self.size)


def read_idx(name: str, path: Path, dimensions: int) -> NDArray[Any]:
    """Reads one IDX file of unsigned bytes: 0, 0, 8, dimensions, their lengths as big-endian 32 bits, the values.

    Args:
        name: of the data source, for messages.
        path: the file, unpacked where it ends in .gz.
        dimensions: how many are expected.

    Returns:
        A uint8 array of the shape that the file gives.

    Raises:
        UserError: another magic number, or the length is not what the header says.
    """
    data = read_bytes(name, path)
    magic = bytes((0, 0, 8, dimensions))
    start = 4 + 4 * dimensions
    if data[:4] != magic:
        raise UserError(f"data {name}: {path}: begins with {data[:4].hex() or 'nothing'}, expected {magic.hex()} (IDX)")
    if len(data) < start:
        raise UserError(f"data {name}: {path}: {len(data)} bytes, expected a header of {start}; the file is cut short")
    shape = [int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(dimensions)]
    expected = start + math.prod(shape)
    if len(data) != expected:
        what = "cut short" if len(data) < expected else "too long"
        raise UserError(
            f"data {name}: {path}: {len(data)} bytes, expected {expected} by its header; the file is {what}"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
