"""Your own images: a folder with a folder for each class."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from nastk.errors import UserError
from nastk.training.data.decode import CorruptImage, Header, decode, read_header
from nastk.training.data.folder import data_folder
from nastk.training.data.listing import Listing, check_classes, list_classes, list_images, split_by_name
from nastk.training.data.source import SourceSettings
from nastk.training.data.stored import Skipped, StoredImages

HEADERS = 256
MAX_DERIVED = 224


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
        digest = hashlib.sha256()
        for row in rows:
            try:
                size = self.listing.path(row).stat().st_size
            except OSError as error:
                raise UserError(f"{self.where(row)}: cannot be read ({error.strerror})") from None
            digest.update(f"{self.listing.relative(row)}\n{size}\n".encode("utf-8", "surrogateescape"))
        return digest.digest()


@dataclass(frozen=True, kw_only=True)
class ImageFolder(SourceSettings):
    """`root/train/CLASS/*`, perhaps `root/val/CLASS/*` and `root/test/CLASS/*`; or `root/CLASS/*` alone.

    JPEG, PNG, WebP and BMP, of any size and mode, see `decode`. Without `test/` a share of each class is split off the
    training part by a hash of the file names, the same in every run. With `val/` the search validates on that, and
    `validation` is not used. Files are listed at once, and opened when their images are wanted.

    Attributes:
        resize: pixels a side; None for the median of the shorter sides of 256 training images, at most 224.
        grey: true makes every image grey, false makes it RGB; None for grey where those 256 are all grey, else RGB.
        test_share: of each class that is split off for testing where there is no test/.
        split_seed: goes into the hash of that split. No run's seed: search, transfer and export need the same.
        skip_corrupt: leaves out images that cannot be decoded, and counts them in `skipped`; else one is an error.
        root and the others: see `SourceSettings`.
    """

    flip: bool = True
    grey: bool | None = None
    test_share: float = 0.2
    split_seed: int = 0
    skip_corrupt: bool = False

    name: ClassVar[str] = "image_folder"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.test_share, float) or not 0 < self.test_share < 1:
            raise self._wrong("test_share", "a share above 0 and below 1")
        if isinstance(self.split_seed, bool) or not isinstance(self.split_seed, int):
            raise self._wrong("split_seed", "a whole number")
        if self.grey not in (None, True, False):
            raise self._wrong("grey", "true, false or null")
        if not isinstance(self.skip_corrupt, bool):
            raise self._wrong("skip_corrupt", "true or false")

    @cached_property
    def skipped(self) -> Skipped:
        """Images that could not be decoded so far, with the reason."""
        return Skipped(allowed=self.skip_corrupt)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders, sorted."""
        return list_classes(self._where, self._train_folder, self._root)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        grey = all(header.grey for header in self._headers) if self.grey is None else self.grey
        return 1 if grey else 3

    @property
    def size(self) -> int:
        """Height and width in pixels that images are brought to."""
        if self.resize is not None:
            return self.resize
        return min(round(statistics.median(header.side for header in self._headers)), MAX_DERIVED)

    def train(self) -> StoredImages:
        """Returns the images of train/, less those split off for testing."""
        return self._images(self._listing, self._parts[0])

    def validation_images(self) -> StoredImages | None:
        """Returns the images of val/, None where there is no such folder."""
        folder = self._root / "val"
        return self._other(folder) if self._train_folder != self._root and folder.is_dir() else None

    def test(self) -> StoredImages:
        """Returns the images of test/, or those split off the training part."""
        folder = self._test_folder
        return self._images(self._listing, self._parts[1]) if folder is None else self._other(folder)

    def facts(self) -> dict[str, Any]:
        """Returns what is to be recorded of how the folder was read."""
        if self._test_folder is not None:
            return {"test": "test/", "ignored": dict(self._listing.ignored)}
        digest = hashlib.sha256()
        for row in self._parts[1]:
            digest.update(f"{self._listing.relative(row)}\n".encode("utf-8", "surrogateescape"))
        split = {"share": self.test_share, "seed": self.split_seed, "images": len(self._parts[1])}
        return {"test": {"split_off": {**split, "sha256": digest.hexdigest()}}, "ignored": dict(self._listing.ignored)}

    @property
    def _where(self) -> str:
        return f"data {self.name}"

    @cached_property
    def _root(self) -> Path:
        return data_folder(self.name, self.root)

    @cached_property
    def _train_folder(self) -> Path:
        if (self._root / "train").is_dir():
            return self._root / "train"
        for part in ("test", "val"):
            if (self._root / part).is_dir():
                raise UserError(f"{self._where}: {self._root}: has {part}/ but no train/, expected train/CLASS/*.jpg")
        return self._root

    @cached_property
    def _test_folder(self) -> Path | None:
        folder = self._root / "test"
        return folder if self._train_folder != self._root and folder.is_dir() else None

    @cached_property
    def _listing(self) -> Listing:
        return list_images(self._where, self._train_folder, self.classes, self._root)

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the listing that are trained on and, where there is no test/, tested on."""
        if self._test_folder is not None:
            return np.arange(len(self._listing)), np.arange(0)
        return split_by_name(self._where, self._listing, self.test_share, self.split_seed)

    @cached_property
    def _headers(self) -> list[Header]:
        """What evenly spaced training images say of themselves; those that cannot be read are for `decode` to name."""
        rows = self._parts[0]
        headers, reasons = [], []
        for row in rows[np.unique(np.linspace(0, len(rows) - 1, HEADERS).astype(int))]:
            try:
                headers.append(read_header(self._listing.path(row)))
            except CorruptImage as error:
                reasons.append(f"{self._listing.path(row)}: {error.reason}")
        if not headers:
            raise UserError(f"{self._where}: {reasons[0]}; nor can another of {len(reasons)} images be read")
        return headers

    def _other(self, folder: Path) -> StoredImages:
        found = list_classes(self._where, folder, self._root)
        check_classes(self._where, folder, found, self.classes)
        listing = list_images(self._where, folder, self.classes, self._root)
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
