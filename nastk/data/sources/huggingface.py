"""Any image classification set of Hugging Face's `datasets` library, from a folder or from the hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from nastk.data.decode import Header
from nastk.data.images import MAX_CLASSES
from nastk.data.sources.decoded import DecodedSource, split_by_name, split_facts
from nastk.data.sources.hub import (
    Columns,
    HubDataset,
    HubReader,
    encoded,
    find_columns,
    header,
    open_set,
    read_labels,
)
from nastk.data.stored import StoredImages
from nastk.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class HuggingFace(DecodedSource):
    """Images of any size and mode, see `decode`, with the set's own names of the classes. Its code is never run.

    Attributes:
        path: name on the hub, or a folder, see `open_set`.
        config_name: which of the set's configurations; None for its only one.
        revision: commit, tag or branch on the hub; None for the newest.
        train_split: name of the training part.
        test_split: name of the test part; None for "test", and where there is none a share of each class is split off.
        image: column of the images; None for the only one of type Image.
        label: column of the labels; None for the only one of type ClassLabel, or "label".
        root: folder for what is downloaded; None for the library's own cache.
        resize and the others: see `DecodedSource`.
    """

    path: str | None = None
    config_name: str | None = None
    revision: str | None = None
    train_split: str = "train"
    test_split: str | None = None
    image: str | None = None
    label: str | None = None

    name: ClassVar[str] = "huggingface"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels: the set's own, its labels sorted, or numbers."""
        if self._columns.classes is not None:
            return self._columns.classes
        values = self._values(self.train_split)
        if values.dtype.kind == "U":
            return tuple(str(value) for value in np.unique(values))
        return tuple(str(number) for number in range(min(int(values.max(initial=-1)) + 1, MAX_CLASSES + 1)))

    def train(self) -> StoredImages:
        """Returns the images of the training part, less those split off for testing."""
        return self._images(self.train_split, self._parts[0])

    def test(self) -> StoredImages:
        """Returns the images of the test part, or those split off."""
        split = self._test_split
        if split is None:
            return self._images(self.train_split, self._parts[1])
        return self._images(split, np.arange(len(self._labels(split))))

    def test_labels(self) -> NDArray[np.int64]:
        """Returns the labels of the test images; none is decoded."""
        split = self._test_split
        return self._train_labels[self._parts[1]] if split is None else self._labels(split)

    def facts(self) -> dict[str, Any]:
        """Returns what is to be recorded of how the set was read."""
        split = self._test_split
        return {
            "path": self.path,
            "config_name": self.config_name,
            "revision": self.revision,
            "test": split if split is not None else split_facts(self, self._parts[1], str),
        }

    @property
    def _where(self) -> str:
        return f"data {self.name}"

    @cached_property
    def _set(self) -> HubDataset:
        if not self.path:
            raise UserError(f"{self._where}: no path given, expected a name on the hub or a folder (data.path=NAME)")
        opened = open_set(self._where, self.path, self.config_name, self.revision, self.root)
        for split in (self.train_split, self.test_split):
            if split is not None and split not in opened.splits:
                raise unknown(f"split of {self.path}", split, opened.splits)
        if self.test_split == self.train_split:
            raise UserError(f"{self._where}: test_split={self.test_split!r} is the training part too, expected another")
        return opened

    @cached_property
    def _train_part(self) -> Any:
        return self._set.part(self.train_split)

    @cached_property
    def _test_split(self) -> str | None:
        if self.test_split is not None or "test" not in self._set.splits or self.train_split == "test":
            return self.test_split
        return "test"

    def _part(self, split: str) -> Any:
        return self._train_part if split == self.train_split else self._set.part(split)

    @cached_property
    def _columns(self) -> Columns:
        return find_columns(f"{self._where}: {self.path}", self._train_part, self.image, self.label)

    @cached_property
    def _train_images(self) -> Any:
        return encoded(self._where, self._train_part, self._columns.image)

    def _values(self, split: str) -> NDArray[Any]:
        return read_labels(f"{self._where}: {self.path} {split}", self._part(split), self._columns.label)

    @cached_property
    def _train_labels(self) -> NDArray[np.int64]:
        return self._numbered(self.train_split)

    def _labels(self, split: str) -> NDArray[np.int64]:
        return self._train_labels if split == self.train_split else self._numbered(split)

    def _numbered(self, split: str) -> NDArray[np.int64]:
        """Returns a part's labels as numbers; raises UserError where a class is unknown, alone or not trained on."""
        where, classes, values = f"{self._where}: {self.path} {split}", self.classes, self._values(split)
        if not len(values):
            raise UserError(f"{where}: no image in it")
        if not 2 <= len(classes) <= MAX_CLASSES:
            raise UserError(f"{where}: {len(classes)} class(es), expected 2 to {MAX_CLASSES}")
        if values.dtype.kind == "U":
            numbers = {name: number for number, name in enumerate(classes)}
            for value in np.unique(values):
                if value not in numbers:
                    raise unknown(f"class in {self.path} {split}", str(value), classes)
            values = np.array([numbers[value] for value in values.tolist()], np.int64)
        if values.max() >= len(classes):
            raise UserError(f"{where}: label {values.max()}, expected 0 to {len(classes) - 1}")
        empty = np.flatnonzero(np.bincount(values, minlength=len(classes)) == 0)
        if len(empty) and split == self.train_split:
            raise UserError(f"{where}: class {classes[empty[0]]!r} has no image, expected at least one of each")
        return values.astype(np.int64)

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the training part that are trained on and, where there is no test part, tested on."""
        labels = self._train_labels
        if self._test_split is not None:
            return np.arange(len(labels)), np.arange(0)
        where = f"{self._where}: {self.path} {self.train_split}"
        return split_by_name(
            labels, str, self.test_share, self.split_seed, lambda label: f"{where}: class {self.classes[label]!r}"
        )

    @property
    def _train_rows(self) -> NDArray[np.int64]:
        return self._parts[0]

    def _header(self, row: int) -> Header:
        return header(self._train_images, self._columns.image, row)

    def _located(self, row: int) -> str:
        return f"{self._where}: {self.path} {self.train_split}[{row}]"

    def _images(self, split: str, rows: NDArray[np.int64]) -> StoredImages:
        column = self._columns.image
        images = self._train_images if split == self.train_split else encoded(self._where, self._part(split), column)
        return StoredImages(
            HubReader(images, column, self.channels, self.size, f"{self._where}: {self.path} {split}"),
            torch.from_numpy(self._labels(split)[rows]),
            torch.from_numpy(rows),
            memory_gb=self.memory_gb,
            workers=self.workers,
            skipped=self.skipped,
        )
