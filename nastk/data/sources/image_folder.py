"""Your own images: a folder with a folder for each class."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from nastk.data.decode import Header, decode, read_header
from nastk.data.sources.decoded import DecodedSource, split_by_name, split_facts
from nastk.data.sources.folder import data_folder
from nastk.data.sources.listing import Listing, check_classes, list_classes, list_images, named_folders
from nastk.data.sources.parts import NAMES, Parts, find_parts
from nastk.data.stored import StoredImages
from nastk.errors import UserError


@dataclass(frozen=True)
class FileReader:
    """Decodes the files of a listing, see `Reader`."""

    listing: Listing
    channels: int
    size: int

    def read(self, row: int) -> NDArray[np.uint8]:
        """Returns image `row` as uint8 (channels, size, size); raises CorruptImage."""
        return decode(self.listing.path(row), self.channels, self.size)

    def where(self, row: int) -> str:
        """Returns what messages call the image."""
        return f"data image_folder: {self.listing.path(row)}"

    def fingerprint(self, rows: NDArray[np.int64]) -> bytes:
        """Returns a hash of the names and of the files' sizes in bytes."""
        digest, folder = hashlib.sha256(), os.fspath(self.listing.folder)
        for row in rows.tolist():
            name = self.listing.relative(row)
            try:
                size = os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 - a Path each takes most of the time
            except OSError as error:
                raise UserError(f"{self.where(row)}: cannot be read ({error.strerror})") from None
            digest.update(f"{name}\n{size}\n".encode("utf-8", "surrogateescape"))
        return digest.digest()


@dataclass(frozen=True, kw_only=True)
class ImageFolder(DecodedSource):
    """`root/train/CLASS/*`, perhaps `root/val/CLASS/*` and `root/test/CLASS/*`; or `root/CLASS/*` alone.

    The parts may have other usual names, see `find_parts`. JPEG, PNG, WebP, BMP and TIFF, of any size and mode, see
    `decode`. Without `test/` a share of each class is split off the training part by a hash of the file names, the same
    in every run. With `val/` the search validates on that, and `validation` is not used. Either may lack images of a
    class. Files are listed at once, and opened when their images are wanted.

    Attributes:
        root: the folder.
        resize and the others: see `DecodedSource`.
    """

    name: ClassVar[str] = "image_folder"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders, sorted."""
        return list_classes(self._where, self._folders.train, self._root)

    def train(self) -> StoredImages:
        """Returns the images of train/, less those split off for testing."""
        return self._images(self._listing, self._split[0])

    def validation_images(self) -> StoredImages | None:
        """Returns the images of val/, None where there is no such folder."""
        return None if self._folders.validation is None else self._whole(self._other(self._folders.validation))

    def test(self) -> StoredImages:
        """Returns the images of test/, or those split off the training part."""
        listing = self._test_listing
        return self._images(self._listing, self._split[1]) if listing is None else self._whole(listing)

    def test_labels(self) -> NDArray[np.int64]:
        """Returns the labels of the test images; no file is opened."""
        listing = self._test_listing
        return self._listing.labels[self._split[1]] if listing is None else listing.labels

    def facts(self) -> dict[str, Any]:
        """Returns what is to be recorded of how the folder was read."""
        folders = self._folders
        parts = {"train": folders.train, "validation": folders.validation, "test": folders.test}
        split = split_facts(self, self._split[1], self._listing.relative) if folders.test is None else None
        return {
            "test": split if folders.test is None else f"{folders.test.name}/",
            "folders": {part: f"{path.name}/" for part, path in parts.items() if path not in (None, self._root)},
            "ignored": {**self._listing.ignored, **{f"folder {name}/": 1 for name in folders.left_out}},
        }

    @property
    def _where(self) -> str:
        return f"data {self.name}"

    @cached_property
    def _root(self) -> Path:
        return data_folder(self.name, self.root)

    @cached_property
    def _folders(self) -> Parts:
        found = find_parts(self._where, self._root)
        if found.left_out:
            named = ", ".join(named_folders(found.left_out))
            parts = ", ".join(" or ".join(f"{name}/" for name in names) for names in NAMES.values())
            print(f"nastk: {self._where}: {self._root}: ignored {named}; parts are called {parts}", file=sys.stderr)
        return found

    @cached_property
    def _listing(self) -> Listing:
        return list_images(self._where, self._folders.train, self.classes, self._root)

    @cached_property
    def _test_listing(self) -> Listing | None:
        return None if self._folders.test is None else self._other(self._folders.test)

    @cached_property
    def _split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the listing that are trained on and, where there is no test part, tested on."""
        if self._folders.test is not None:
            return np.arange(len(self._listing)), np.arange(0)
        listing = self._listing
        return split_by_name(
            listing.labels,
            listing.relative,
            self.test_share,
            self.split_seed,
            lambda label: f"{self._where}: {listing.folder / listing.classes[label]}",
        )

    @property
    def _train_rows(self) -> NDArray[np.int64]:
        return self._split[0]

    def _header(self, row: int) -> Header:
        return read_header(self._listing.path(row))

    def _located(self, row: int) -> str:
        return f"{self._where}: {self._listing.path(row)}"

    def _other(self, folder: Path) -> Listing:
        found = list_classes(self._where, folder, self._root, least=1)
        check_classes(self._where, folder, found, self.classes)
        return list_images(self._where, folder, self.classes, self._root, found)

    def _whole(self, listing: Listing) -> StoredImages:
        return self._images(listing, np.arange(len(listing)))

    def _images(self, listing: Listing, rows: NDArray[np.int64]) -> StoredImages:
        return StoredImages(
            FileReader(listing, self.channels, self.size),
            torch.from_numpy(listing.labels[rows]),
            torch.from_numpy(rows),
            memory_gb=self.memory_gb,
            workers=self.workers,
            skipped=self.skipped,
        )
