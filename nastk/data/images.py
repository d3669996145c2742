"""Sets of labelled images, what a data source is, and the checks that every source's arrays pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nastk.errors import UserError

MAX_CLASSES = 10_000


class ImageSet(Protocol):
    """Labelled images of one size, wherever they are kept: `Images` in memory, `StoredImages` decoded when asked for.

    Attributes:
        y: int64 tensor (n,), classes counted from 0.
        channels: 1 for grey, 3 for RGB.
        size: height and width in pixels.
    """

    @property
    def y(self) -> Tensor: ...
    @property
    def channels(self) -> int: ...
    @property
    def size(self) -> int: ...

    def __len__(self) -> int: ...

    def take(self, indices: Tensor) -> ImageSet:
        """Returns the images at `indices` (int64), in that order; nothing is decoded."""
        ...

    def pixels(self, indices: Tensor) -> Tensor:
        """Returns the images at `indices` as uint8 (n, channels, size, size); ask for no more than memory holds."""
        ...

    def batches(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images in order, `batch` at once, as uint8 (b, channels, size, size) with their labels (b,)."""
        ...

    def stream(self, order: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the images at each of the indices in `order` as uint8 (b, channels, size, size), decoded ahead."""
        ...

    def to(self, device: torch.device) -> ImageSet:
        """Returns the same set in memory on `device`, or as it is where it is too large for that."""
        ...

    def fingerprint(self) -> str:
        """Returns a SHA-256 that tells other images from these; nothing is decoded for it."""
        ...


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images in memory.

    Attributes:
        x: uint8 tensor (n, channels, height, width), 0..255.
        y: int64 tensor (n,), classes counted from 0.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return int(self.x.shape[1])

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return int(self.x.shape[2])

    def pixels(self, indices: Tensor) -> Tensor:
        """Returns the images at `indices` as uint8 (n, channels, size, size)."""
        return self.x[indices]

    def take(self, indices: Tensor) -> Images:
        """Returns the images at `indices` (int64), in that order."""
        return Images(self.x[indices], self.y[indices])

    def batches(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images in order, `batch` at once, as uint8 (b, channels, size, size) with their labels (b,)."""
        return zip(torch.split(self.x, batch), torch.split(self.y, batch), strict=True)

    def stream(self, order: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the images at each of the indices in `order` as uint8 (b, channels, size, size)."""
        return (self.x[indices] for indices in order)

    def to(self, device: torch.device) -> Images:
        """Returns the same images on `device`."""
        return Images(self.x.to(device), self.y.to(device))

    def fingerprint(self) -> str:
        """Returns the SHA-256 of pixels and labels."""
        digest = hashlib.sha256(self.x.cpu().numpy().tobytes())
        digest.update(self.y.cpu().numpy().tobytes())
        return digest.hexdigest()


class SkippedImages(Protocol):
    """Images that could not be decoded and were left out: `found` has the reason by the image's path."""

    @property
    def found(self) -> Mapping[str, str]: ...


class DataSource(Protocol):
    """Where images come from. Sources are frozen dataclasses built from `conf/data/*.yaml`; a new one is a file here.

    Attributes:
        name: as in `load_data`.
        classes: names of the classes, in the order of the labels.
        channels: 1 for grey, 3 for RGB.
        size: height and width in pixels.
        flip: whether a mirrored image still belongs to its class, the default of `flip` in training.
        crop: by how much of its side an image may be shifted, the default of `crop` in training.
        resize, resized, subset, validation, memory_gb, workers, skipped: see `SourceSettings`.
    """

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def flip(self) -> bool: ...
    @property
    def crop(self) -> float: ...
    @property
    def resize(self) -> int | None: ...
    @property
    def resized(self) -> bool: ...
    @property
    def subset(self) -> int | float: ...
    @property
    def validation(self) -> int | float: ...
    @property
    def memory_gb(self) -> float: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def skipped(self) -> SkippedImages: ...

    def train(self) -> ImageSet:
        """Returns all training images; raises UserError where the files are not what they should be."""
        ...

    def facts(self) -> dict[str, Any]:
        """Returns what is to be recorded of how the set was read, beside what every source has."""
        ...

    def validation_images(self) -> ImageSet | None:
        """Returns the set's own validation part, None where a part of the training images is to be held out."""
        ...

    def test(self) -> ImageSet:
        """Returns the test images, whose files nothing else opens; raises UserError as `train`."""
        ...


def checked(
    where: str, x: NDArray[Any], y: NDArray[Any], classes: int, *, square: bool = True, complete: bool = True
) -> Images:
    """Makes `Images` of a source's arrays.

    Args:
        where: what the messages call the arrays, e.g. "data.npz: x_train, y_train".
        x: uint8 (n, size, size), (n, size, size, 1) or (n, size, size, 3).
        y: integers (n,), 0..classes - 1.
        classes: how many there are.
        square: whether images that are not are refused.
        complete: whether each class must have an image.

    Raises:
        UserError: shape, type or labels are off, or a class has no image.
    """
    check_pixels(where, x.shape, x.dtype, square=square)
    labels = check_labels(where, y, classes, len(x), complete=complete)
    x = x[..., None] if x.ndim == 3 else x
    pixels = np.array(x.transpose(0, 3, 1, 2), order="C")  # a copy: torch wants an array that may be written to
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


def check_pixels(where: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, square: bool = True) -> None:
    """Raises UserError unless an array of this shape and type can hold images, see `checked`."""
    if dtype != np.uint8:
        raise UserError(f"{where}: images of type {dtype}, expected uint8 (0..255)")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise UserError(f"{where}: images of shape {shape}, expected (n, size, size) or (n, size, size, 1 or 3)")
    if min(shape[1:3]) < 1 or (shape[1] != shape[2] and square):
        raise UserError(f"{where}: images of {shape[1]}x{shape[2]} pixels, expected square ones, or data.resize=SIZE")


def check_labels(where: str, y: NDArray[Any], classes: int, images: int, *, complete: bool = True) -> NDArray[np.int64]:
    """Returns the labels of so many images as int64; raises UserError where they cannot be, see `checked`."""
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"{where}: labels of shape {y.shape} and type {y.dtype}, expected whole numbers (n,)")
    if images != len(y):
        raise UserError(f"{where}: {images} images and {len(y)} labels, expected as many of both")
    if not len(y):
        raise UserError(f"{where}: no image in it")
    if not 2 <= classes <= MAX_CLASSES:
        raise UserError(f"{where}: {classes} class(es), expected 2 to {MAX_CLASSES}")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise UserError(f"{where}: label {low if low < 0 else high}, expected 0 to {classes - 1}")
    empty = np.flatnonzero(np.bincount(y, minlength=classes) == 0)
    if len(empty) and complete:
        raise UserError(f"{where}: class {int(empty[0])} of {classes} has no image, expected at least one of each")
    return y.astype(np.int64)


def same_kind(where: str, images: ImageSet, channels: int, size: int) -> ImageSet:
    """Returns `images` where they have the given channels and size; raises UserError elsewhere."""
    found = (images.channels, images.size, images.size)
    if found != (channels, size, size):
        raise UserError(f"{where}: images of shape {found}, expected {(channels, size, size)} as in the training part")
    return images
