"""What CIFAR-10 and CIFAR-100 (Krizhevsky 2009) have in common: two official layouts of the same 32x32 RGB images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.data.images import ImageSet
from nastk.data.sources.folder import find_file, read_bytes
from nastk.data.sources.pickled import read_pickled
from nastk.data.sources.standard import StandardSource
from nastk.errors import UserError

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """How one version of a set lies in its folder.

    Attributes:
        folder: name of the folder that its archive makes.
        train: files of the training part, in order.
        test: file of the test part.
        suffix: of these files.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    suffix: str

    def files(self, part: str) -> tuple[str, ...]:
        """Returns the file names of "train" or "test"."""
        stems = self.train if part == "train" else (self.test,)
        return tuple(stem + self.suffix for stem in stems)

    def lies_in(self, folder: Path) -> bool:
        """Says whether any of its files is in `folder`."""
        return any((folder / name).is_file() for name in (*self.files("train"), *self.files("test")))


@dataclass(frozen=True, kw_only=True)
class Cifar(StandardSource):
    """Photographs, RGB, 32x32.

    Attributes:
        root: folder with the binary or the python version, or the folder that it lies in; binary where both are there.
            The pickles of the python version are read without unpickling.
        validation: a tenth by default: 5,000 of the 50,000, which leaves 45,000 as in the NASNet paper.
        download, resize and the others: see `StandardSource`.
    """

    flip: bool = True
    validation: int | float = 0.1

    channels: ClassVar[int] = 3
    binary: ClassVar[Layout]
    python: ClassVar[Layout]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.resize or 32

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._found()[0]

    def _found(self) -> tuple[Path, Layout]:
        """Returns the folder of the layout that is there."""
        place = self.place
        places = [
            (folder, layout) for layout in (self.binary, self.python) for folder in (place, place / layout.folder)
        ]
        return next((folder, layout) for folder, layout in places if layout.lies_in(folder))

    def _read(self, part: str, labels: int, column: int, key: str) -> ImageSet:
        """Returns the images of "train" or "test".

        Args:
            part: which one.
            labels: how many label bytes a binary record has.
            column: which of them is the label.
            key: under which the python version has the labels.
        """
        folder, layout = self._found()
        paths = [find_file(self.name, folder, (file,)) for file in layout.files(part)]
        if layout is self.python:
            parts: list[tuple[NDArray[Any], NDArray[Any]]] = [python_part(self.name, path, key) for path in paths]
        else:
            records = [binary_records(self.name, path, labels) for path in paths]
            parts = [(record[:, labels:], record[:, column]) for record in records]
        pixels, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        x = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return self.from_arrays(f"data {self.name}: {paths[0].parent}", x, y, len(self.classes))


def files_of(*layouts: Layout) -> tuple[str, ...]:
    """Returns where any file of the layouts may lie, from the folder itself and from the one it lies in."""
    names = [(layout.folder, name) for layout in layouts for part in ("train", "test") for name in layout.files(part)]
    return tuple(name for folder, file in names for name in (file, f"{folder}/{file}"))


def binary_records(name: str, path: Path, labels: int) -> NDArray[np.uint8]:
    """Reads a file of the binary version.

    Args:
        name: of the data source, for messages.
        path: the file.
        labels: how many label bytes go before an image's 3,072 of red, green and blue planes.

    Returns:
        uint8 (n, labels + 3072).

    Raises:
        UserError: the length is no multiple of a record's.
    """
    data, record = read_bytes(name, path), labels + PIXELS
    if not data or len(data) % record:
        what = "a label" if labels == 1 else f"{labels} labels"
        raise UserError(
            f"data {name}: {path}: {len(data)} bytes, expected a multiple of {record} "
            f"({what} and 32x32 RGB each); the file is cut short or of another layout"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, record)


def python_part(name: str, path: Path, key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Reads a file of the python version.

    Args:
        name: of the data source, for messages.
        path: the file.
        key: under which the labels are.

    Returns:
        uint8 (n, 3072) pixels, planes as in the binary version, and (n,) labels.

    Raises:
        UserError: an array or the labels are absent or of another kind or number.
    """
    content = read_pickled(name, path)
    pixels, labels = content.get("data"), content.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != PIXELS or not len(pixels):
        shape = pixels.shape if isinstance(pixels, np.ndarray) else f"of type {type(pixels).__name__}"
        raise UserError(f"data {name}: {path}: data is {shape}, expected (n, {PIXELS}) bytes")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 1 << 31 for label in labels):
        raise UserError(f"data {name}: {path}: {key} is missing or no list of labels, there are: {_keys(content)}")
    if len(labels) != len(pixels):
        raise UserError(f"data {name}: {path}: {len(pixels)} images and {len(labels)} labels, expected as many of both")
    return pixels, np.array(labels, dtype=np.int64)


def class_names(
    name: str, folder: Path, layout: Layout, meta: str, key: str, known: tuple[str, ...]
) -> tuple[str, ...]:
    """Reads the names of the classes from the file that comes with the set.

    Args:
        name: of the data source, for messages.
        folder: where the set lies.
        layout: which one it is.
        meta: the file's name: text with a name a line, or a pickle in the python version.
        key: under which the pickle has them.
        known: the published names, given where there is no such file.

    Raises:
        UserError: another number of names.
    """
    path = folder / meta
    if not path.is_file():
        return known
    if layout.suffix:
        names = read_bytes(name, path).decode("utf-8", "replace").split("\n")
    else:
        content = read_pickled(name, path)
        listed = content.get(key)
        if not isinstance(listed, list) or not all(isinstance(one, bytes | str) for one in listed):
            raise UserError(f"data {name}: {path}: {key} is missing or no list, there are: {_keys(content)}")
        names = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in listed]
    found = tuple(one.strip() for one in names if one.strip())
    if len(found) != len(known) or len(set(found)) != len(known):
        raise UserError(f"data {name}: {path}: {len(set(found))} class names, expected {len(known)}")
    return found


def _keys(content: dict[str, Any]) -> str:
    return ", ".join(sorted(key[:40] for key in content)[:12]) or "nothing"
