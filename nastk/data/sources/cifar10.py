"""CIFAR-10 (Krizhevsky 2009) from its official binary or python version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from nastk.data.images import ImageSet
from nastk.data.sources.cifar import Cifar, Layout, class_names, files_of
from nastk.data.sources.download import Published

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


@dataclass(frozen=True, kw_only=True)
class Cifar10(Cifar):
    """50,000 photographs for training and 10,000 for testing, fewer where the files hold fewer; see `Cifar`."""

    name: ClassVar[str] = "cifar10"
    binary: ClassVar[Layout] = Layout("cifar-10-batches-bin", BATCHES, "test_batch", ".bin")
    python: ClassVar[Layout] = Layout("cifar-10-batches-py", BATCHES, "test_batch", "")
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c32a1d4ab5d03f1284b67883e8d87530",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
            files_of(binary, python),
        ),
    )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the ten classes, from the set's own list where it is there."""
        folder, layout = self._found()
        meta = "batches.meta.txt" if layout is self.binary else "batches.meta"
        return class_names(self.name, folder, layout, meta, "label_names", NAMES)

    def train(self) -> ImageSet:
        """Returns the images of the five training batches, in order."""
        return self._read("train", labels=1, column=0, key="labels")

    def test(self) -> ImageSet:
        """Returns the images of the test batch."""
        return self._read("test", labels=1, column=0, key="labels")
