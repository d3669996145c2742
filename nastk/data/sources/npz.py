"""Anyone's images from one .npz file with x_train, y_train, x_test and y_test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.data.images import MAX_CLASSES, ImageSet, check_labels, check_pixels, same_kind
from nastk.data.source import SourceSettings
from nastk.errors import UserError
from nastk.outside.npz import RefusedNpz, opened_npz

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, kw_only=True)
class Npz(SourceSettings):
    """Square images, grey (n, size, size) or RGB (n, size, size, 3), uint8, with labels 0, 1, 2, ...

    Attributes:
        root: the .npz file. It may hold `classes` too, an array of class names.
        resize: see `SourceSettings`, also for the other settings. With it the images need not be square.
    """

    name: ClassVar[str] = "npz"

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: the file's own, or the labels as text."""
        labels = self._array("y_train")
        if not np.issubdtype(labels.dtype, np.integer) or not labels.size:
            return ()
        count = int(labels.max()) + 1
        if "classes" not in self._contents[1]:
            return tuple(str(label) for label in range(min(count, MAX_CLASSES + 1)))
        names = self._array("classes")
        if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) != count:
            raise UserError(f"data npz: {self.root}: classes is {names.dtype} {names.shape}, expected {count} names")
        return tuple(str(name) for name in names)

    @property
    def channels(self) -> int:
        """1 or 3, as the training images."""
        return self._train.channels

    @property
    def size(self) -> int:
        """Height and width of the training images in pixels."""
        return self._train.size

    def train(self) -> ImageSet:
        """Returns x_train and y_train."""
        return self._train

    def test(self) -> ImageSet:
        """Returns x_test and y_test; a class may have no image there."""
        labels = self._array("y_test")
        images = self.from_arrays(self._where_test, self._array("x_test"), labels, len(self.classes), complete=False)
        return same_kind(self._where_test, images, self.channels, self.size)

    def test_labels(self) -> NDArray[np.int64]:
        """Returns y_test, checked against the shape of x_test; of that only the header is read."""
        shape, dtype = self._header("x_test")
        check_pixels(self._where_test, shape, dtype, square=self.resize is None)
        channels, size = shape[3] if len(shape) == 4 else 1, shape[1] if self.resize is None else self.size
        if (channels, size) != (self.channels, self.size):
            found, expected = (channels, size, size), (self.channels, self.size, self.size)
            raise UserError(f"{self._where_test}: images of shape {found}, expected {expected} as in the training part")
        return check_labels(self._where_test, self._array("y_test"), len(self.classes), shape[0], complete=False)

    @property
    def _where_test(self) -> str:
        return f"data npz: {self.root}: x_test, y_test"

    @cached_property
    def _train(self) -> ImageSet:
        where = f"data npz: {self.root}: x_train, y_train"
        return self.from_arrays(where, self._array("x_train"), self._array("y_train"), len(self.classes))

    @cached_property
    def _contents(self) -> tuple[Path, frozenset[str]]:
        if not self.root:
            raise UserError("data npz: no root given, expected the .npz file (data.root=/path/images.npz)")
        path = Path(self.root).expanduser()
        if not path.is_file():
            what = "not a file" if path.exists() else "no such file"
            raise UserError(f"data npz: {path}: {what}, expected an .npz file with {', '.join(ARRAYS)}")
        try:
            with opened_npz(path) as file:
                names = frozenset(file.names)
        except RefusedNpz as error:
            raise UserError(f"data npz: {path}: not an .npz file, or cut short ({error})") from None
        except UserError as error:
            raise UserError(f"data npz: {error}") from None
        for name in ARRAYS:
            if name not in names:
                raise UserError(f"data npz: {path}: no array {name} in it, there are: {', '.join(sorted(names))}")
        return path, names

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Returns shape and type of an array without reading it."""
        path, _ = self._contents
        try:
            with opened_npz(path) as file:
                return file.header(name)
        except RefusedNpz as error:
            raise UserError(f"data npz: {self.root}: {error}") from None

    def _array(self, name: str) -> NDArray[Any]:
        path, _ = self._contents
        try:
            with opened_npz(path) as file:
                return file.arrays([name])[name]
        except RefusedNpz as error:
            raise UserError(f"data npz: {self.root}: {error}") from None
