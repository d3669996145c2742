"""What the sources of your own image files have in common: size and colour by a sample, a test part, corrupt images."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.checks import check_flag, check_whole
from nastk.data.decode import CorruptImage, Header
from nastk.data.source import SourceSettings
from nastk.data.stored import Skipped
from nastk.errors import UserError

HEADERS = 256
MAX_DERIVED = 224


@dataclass(frozen=True, kw_only=True)
class DecodedSource(SourceSettings):
    """Settings of a set whose images are files of any size and mode, see `decode`.

    Attributes:
        resize: pixels a side; None for the median of the shorter sides of 256 training images, at most 224.
        grey: true makes every image grey, false makes it RGB; None for grey where those 256 are all grey, else RGB.
        test_share: of each class that is split off for testing where the set has no test part.
        split_seed: of that split. No run's seed: search, transfer and export need the same.
        skip_corrupt: leaves out images that cannot be decoded, and counts them in `skipped`; else one is an error.
        root and the others: see `SourceSettings`.
    """

    grey: bool | None = None
    test_share: float = 0.2
    split_seed: int = 0
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.test_share, float) or not 0 < self.test_share < 1:
            raise self._wrong("test_share", "a share above 0 and below 1")
        check_whole(self._field("split_seed"), self.split_seed)
        check_flag(self._field("grey"), self.grey, None)
        check_flag(self._field("skip_corrupt"), self.skip_corrupt)

    @cached_property
    def skipped(self) -> Skipped:
        """Images that could not be decoded so far, with the reason."""
        return Skipped(allowed=self.skip_corrupt)

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

    @property
    def sides(self) -> tuple[int, int]:
        """The least and the greatest shorter side, in pixels, of a sample of the training images."""
        found = [header.side for header in self._headers]
        return min(found), max(found)

    @property
    def resized(self) -> bool:
        """True: images may be of any size."""
        return True

    @property
    def _train_rows(self) -> NDArray[np.int64]:
        """Rows of the images that are trained on."""
        raise NotImplementedError

    def _header(self, row: int) -> Header:
        """Returns what training image `row` says of itself; raises CorruptImage."""
        raise NotImplementedError

    def _located(self, row: int) -> str:
        """Returns what messages call training image `row`."""
        raise NotImplementedError

    @cached_property
    def _headers(self) -> list[Header]:
        """What evenly spaced training images say of themselves; those that cannot be read are for `decode` to name."""
        rows = self._train_rows
        headers, reasons = [], []
        for row in rows[np.unique(np.linspace(0, len(rows) - 1, HEADERS).astype(int))]:
            try:
                headers.append(self._header(int(row)))
            except CorruptImage as error:
                reasons.append(f"{self._located(int(row))}: {error.reason}")
        if not headers:
            raise UserError(f"{reasons[0]}; nor can another of {len(reasons)} images be read")
        return headers


def split_by_name(
    labels: NDArray[np.int64], name: Callable[[int], str], share: float, seed: int, where: Callable[[int], str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splits images by a hash of their names: the same names give the same split, on every machine.

    Args:
        labels: (n,), the class of each image.
        name: gives the name of an image by its row.
        share: of each class that goes into the second part, rounded, at least one image.
        seed: goes into the hash.
        where: gives what messages call a class.

    Returns:
        The rows of the first and of the second part, ascending.

    Raises:
        UserError: a class has one image only.
    """
    second = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise UserError(f"{where(int(label))}: 1 image, expected at least 2, for there is no test part")
        hashes = [hashlib.sha256(f"{seed}/{name(int(row))}".encode("utf-8", "surrogateescape")) for row in rows]
        order = np.argsort([digest.digest() for digest in hashes], kind="stable")
        second[rows[order[: min(max(1, round(share * len(rows))), len(rows) - 1)]]] = True
    return np.flatnonzero(~second), np.flatnonzero(second)


def split_facts(source: DecodedSource, rows: NDArray[np.int64], name: Callable[[int], str]) -> dict[str, Any]:
    """Returns what is to be recorded of a test part that was split off: how, how many, and which."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{name(int(row))}\n".encode("utf-8", "surrogateescape"))
    split = {"share": source.test_share, "seed": source.split_seed, "images": len(rows)}
    return {"split_off": {**split, "sha256": digest.hexdigest()}}
