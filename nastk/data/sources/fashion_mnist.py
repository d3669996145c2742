"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four IDX files, packed or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.data.images import ImageSet, same_kind
from nastk.data.sources.download import Published
from nastk.data.sources.folder import find_file, read_bytes
from nastk.data.sources.standard import StandardSource
from nastk.errors import UserError

ADDRESSES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)


def _published(name: str, size: int, md5: str, sha256: str) -> Published:
    """Returns one of the four packed files; the unpacked one does as well."""
    urls = tuple(f"{address}/{name}" for address in ADDRESSES)
    return Published(name, size, md5, sha256, urls, (name, name.removesuffix(".gz")))


@dataclass(frozen=True, kw_only=True)
class FashionMnist(StandardSource):
    """Articles of clothing, grey, 28x28: 60,000 for training and 10,000 for testing.

    Files of the same layout with ten classes (MNIST, KMNIST) are read as well, under these class names.

    Attributes:
        root: folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., each as it is or with .gz.
        download, resize and the others: see `StandardSource`.
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
    published: ClassVar[tuple[Published, ...]] = (
        _published(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        _published(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "25c81989df183df01b3e8a0aad5dffbe",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        _published(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "bef4ecab320f06d8554ea6380940ec79",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        _published(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "bb300cfdad3c16e7a12a480ee83cd310",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.resize or 28

    def train(self) -> ImageSet:
        """Returns the images of the files train-*."""
        return self._part("train")

    def test(self) -> ImageSet:
        """Returns the images of the files t10k-*."""
        return self._part("t10k")

    def _part(self, part: str) -> ImageSet:
        folder = self.place
        files = [
            find_file(self.name, folder, (stem, f"{stem}.gz"))
            for stem in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        ]
        x, y = (read_idx(self.name, path, dimensions) for path, dimensions in zip(files, (3, 1), strict=True))
        where = f"data {self.name}: {files[0]}"
        return same_kind(where, self.from_arrays(where, x, y, len(self.classes)), self.channels, self.size)


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
