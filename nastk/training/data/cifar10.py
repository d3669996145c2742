"""CIFAR-10 (Krizhevsky 2009) from its official binary layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from nastk.errors import UserError
from nastk.training.data.folder import data_folder, find_file, read_bytes
from nastk.training.data.images import Images, checked
from nastk.training.data.source import SourceSettings

RECORD = 1 + 3 * 32 * 32
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, kw_only=True)
class Cifar10(SourceSettings):
    """Photographs, RGB, 32x32: 50,000 for training and 10,000 for testing, fewer where the files hold fewer.

    Attributes:
        root: the folder cifar-10-batches-bin with data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the
            folder it lies in. Class names come from batches.meta.txt where it is there.
        validation: 5,000 by default, which leaves 45,000 as in the NASNet paper.
        resize and the others: see `SourceSettings`.
    """

    flip: bool = True
    validation: int | float = 5000

    name: ClassVar[str] = "cifar10"
    channels: ClassVar[int] = 3

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.resize or 32

    @property
    def folder(self) -> Path:
        """Where the .bin files lie."""
        folder = data_folder(self.name, self.root)
        inner = folder / "cifar-10-batches-bin"
        return data_folder(self.name, str(inner)) if inner.is_dir() else folder

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the ten classes."""
        path = self.folder / "batches.meta.txt"
        if not path.is_file():
            return NAMES
        names = tuple(read_bytes(self.name, path).decode("utf-8", "replace").split("\n"))
        names = tuple(name.strip() for name in names if name.strip())
        if len(names) != len(NAMES) or len(set(names)) != len(NAMES):
            raise UserError(f"data {self.name}: {path}: {len(set(names))} class names, expected {len(NAMES)}")
        return names

    def train(self) -> Images:
        """Returns the images of the five training batches, in order."""
        folder = self.folder
        paths = [find_file(self.name, folder, (f"data_batch_{number}.bin",)) for number in range(1, 6)]
        return self._read(paths)

    def test(self) -> Images:
        """Returns the images of test_batch.bin."""
        return self._read([find_file(self.name, self.folder, ("test_batch.bin",))])

    def _read(self, paths: Sequence[Path]) -> Images:
        parts = []
        for path in paths:
            data = read_bytes(self.name, path)
            if not data or len(data) % RECORD:
                raise UserError(
                    f"data {self.name}: {path}: {len(data)} bytes, expected a multiple of {RECORD} "
                    "(a label and 32x32 RGB each); the file is cut short or of another layout"
                )
            parts.append(np.frombuffer(data, dtype=np.uint8).reshape(-1, RECORD))
        records = np.concatenate(parts)
        x = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return checked(f"data {self.name}: {paths[0].parent}", x, records[:, 0], len(self.classes), self.resize)
