"""The settings that every data source has: which images a search uses, how large they are, and where they are kept."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from numpy.typing import NDArray

from nastk.checks import check_flag, check_number, is_whole, wrong
from nastk.data.arrays import brought_to
from nastk.data.images import ImageSet, checked
from nastk.data.stored import Skipped
from nastk.errors import UserError

MAX_SIZE = 1024
MAX_WORKERS = 256


@dataclass(frozen=True)
class SourceSettings:
    """What `conf/data/*.yaml` sets for every source; sources are frozen dataclasses that inherit it.

    Attributes:
        root: folder or file of the set.
        resize: pixels a side that images are brought to, shorter side first, then cut to the central square; None for
            those they have.
        subset: training images that a search uses, how many or which share, drawn class-balanced from what is not
            held out. A transfer trains on all.
        validation: training images that are held out first to score on, how many or which share, class-balanced.
        memory_gb: decoded images are kept in memory up to so many gigabytes (10^9 bytes) a part; larger parts are
            decoded by worker processes, batch by batch.
        workers: processes that do; None for the number of cores, at most 8.
        flip: whether training may mirror images.
        crop: by how much of its side training may shift an image.
        unlabelled: folder of images without labels, or .npz file, that a teacher's students are trained on too, see
            `unlabelled_images`.

    Raises:
        UserError: a value that cannot be.
    """

    root: str | None = None
    _: KW_ONLY
    resize: int | None = None
    subset: int | float = 1.0
    validation: int | float = 0.2
    memory_gb: float = 4.0
    workers: int | None = None
    flip: bool = False
    crop: float = 0.125
    unlabelled: str | None = None

    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.root is not None and not isinstance(self.root, str):
            raise self._wrong("root", "a path")
        if self.unlabelled is not None and not (isinstance(self.unlabelled, str) and self.unlabelled):
            raise self._wrong("unlabelled", "a path, or null")
        if self.resize is not None and not is_whole(self.resize, 1, MAX_SIZE):
            raise self._wrong("resize", f"1 to {MAX_SIZE} pixels a side, or null for the size that they have")
        if not _is_part(self.subset, 1.0):
            raise self._wrong("subset", "a number of images, or a share above 0 and up to 1.0")
        if not _is_part(self.validation, math.nextafter(1.0, 0.0)):
            raise self._wrong("validation", "a number of images, or a share above 0 and below 1.0")
        check_number(self._field("memory_gb"), self.memory_gb, 0, above=True, kind="a number of gigabytes")
        if self.workers is not None and not is_whole(self.workers, 1, MAX_WORKERS):
            raise self._wrong("workers", f"1 to {MAX_WORKERS} processes, or null")
        check_flag(self._field("flip"), self.flip)
        check_number(self._field("crop"), self.crop, 0, 0.5, kind="a share of the side")

    def __getstate__(self) -> dict[str, Any]:
        """Returns the settings alone: another process reads the files itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def validation_images(self) -> ImageSet | None:
        """Returns the set's own validation part, None where a part of the training images is to be held out."""
        return None

    def test_labels(self) -> NDArray[Any] | None:
        """Returns the labels of the test images, these unopened; None where that would read them.

        Raises:
            UserError: the test part is not what it should be, as far as can be told so.
        """
        return None

    @cached_property
    def skipped(self) -> Skipped:
        """Images that could not be decoded so far, with the reason."""
        return Skipped()

    @property
    def resized(self) -> bool:
        """Whether images are brought to their size, rather than having it."""
        return self.resize is not None

    def from_arrays(
        self, where: str, x: NDArray[Any], y: NDArray[Any], classes: int, *, complete: bool = True
    ) -> ImageSet:
        """Makes a part of a source's arrays: checked by `checked`, and brought to `resize`."""
        images = checked(where, x, y, classes, square=self.resize is None, complete=complete)
        return images if self.resize is None else brought_to(images, self.resize, self.memory_gb, self.workers)

    def facts(self) -> dict[str, Any]:
        """Returns what is to be recorded of how the set was read, beside what every source has."""
        return {}

    def _field(self, name: str) -> str:
        """Returns what a message calls a setting; a class that others inherit from has no name of its own."""
        return f"data {getattr(self, 'name', type(self).__name__)}: {name}"

    def _wrong(self, name: str, expected: str) -> UserError:
        return wrong(self._field(name), getattr(self, name), expected)


def _is_part(value: Any, most: float) -> bool:
    return is_whole(value, 1) or (isinstance(value, float) and 0 < value <= most)
