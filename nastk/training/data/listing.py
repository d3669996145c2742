"""The image files of a folder with one folder a class, named but not opened."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nastk.decode import SUFFIXES
from nastk.errors import UserError, nearest
from nastk.training.data.images import MAX_CLASSES

OUTSIDE = "symbolic links out of the folder"


@dataclass(frozen=True, eq=False)
class Listing:
    """Image files, sorted by class and name. 200,000 of them take some 10 MB: the names lie in one piece.

    Attributes:
        folder: which has a folder for each class.
        classes: their names.
        labels: int64 (n,), the class of each file.
        names: the files' names, one after another.
        starts: int64 (n + 1,), where in `names` each begins.
        ignored: what else was found, and how often.
    """

    folder: Path
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    names: bytes
    starts: NDArray[np.int64]
    ignored: Counter[str]

    def __len__(self) -> int:
        return len(self.labels)

    def relative(self, row: int) -> str:
        """Returns class and name of file `row`, e.g. "cat/7.jpg"."""
        name = os.fsdecode(self.names[self.starts[row] : self.starts[row + 1]])
        return f"{self.classes[self.labels[row]]}/{name}"

    def path(self, row: int) -> Path:
        """Returns where file `row` lies."""
        return self.folder / self.relative(row)


def list_classes(where: str, folder: Path, root: Path) -> tuple[str, ...]:
    """Returns the names of the class folders in `folder`, sorted.

    Raises:
        UserError: there are fewer than two, or more than can be meant.
    """
    inside = _inside(root)
    entries = [entry for entry in _entries(folder) if not entry.name.startswith(".")]
    classes = sorted(entry.name for entry in entries if entry.is_dir() and inside(entry))
    if len(classes) < 2:
        loose = sum(entry.name.lower().endswith(SUFFIXES) for entry in entries)
        outside = sum(entry.is_dir() and not inside(entry) for entry in entries)
        hint = f"; {loose} images lie beside it without a class" if loose else ""
        hint += f"; {outside} {OUTSIDE} are ignored" if outside else ""
        what = f"one class folder only, {classes[0]!r}" if classes else "no class folder"
        raise UserError(f"{where}: {folder}: {what}, expected at least 2, each with images of one class{hint}")
    if len(classes) > MAX_CLASSES:
        raise UserError(f"{where}: {folder}: {len(classes)} class folders, expected at most {MAX_CLASSES}")
    return tuple(classes)


def list_images(where: str, folder: Path, classes: tuple[str, ...], root: Path) -> Listing:
    """Lists the image files in the class folders, by their suffix; what is ignored is said on stderr.

    Hidden files, other suffixes, folders within a class and symbolic links that lead out of `root` are left aside.

    Args:
        where: what messages begin with.
        folder: with the class folders.
        classes: their names.
        root: that nothing may lead out of.

    Raises:
        UserError: a class has no image, or a folder cannot be read.
    """
    ignored: Counter[str] = Counter()
    inside = _inside(root)
    labels, names = [], []
    lengths: list[int] = []
    for label, name in enumerate(classes):
        before = ignored.total()
        found = sorted(os.fsencode(entry) for entry in _image_names(folder / name, inside, ignored))
        if not found:
            others = f"; {ignored.total() - before} other files in it are ignored" if ignored.total() > before else ""
            raise UserError(f"{where}: {folder / name}: no image in it ({', '.join(SUFFIXES)}){others}")
        names.append(b"".join(found))
        lengths.extend(map(len, found))
        labels.append(np.full(len(found), label, np.int64))
    if ignored:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in ignored.most_common(5))
        print(f"nastk: {where}: {folder}: ignored {kinds}", file=sys.stderr)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Listing(folder, classes, np.concatenate(labels), b"".join(names), starts, ignored)


def check_classes(where: str, folder: Path, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raises UserError unless the class folders of another part are those of the training part."""
    for name in found:
        if name not in expected:
            close = nearest(name, expected)[0]
            raise UserError(f"{where}: {folder / name}: no class of the training part; nearest is {close!r}")
    for name in expected:
        if name not in found:
            raise UserError(f"{where}: {folder}: no folder of class {name!r}, which the training part has")


def _image_names(folder: Path, inside: Callable[[os.DirEntry[str]], bool], ignored: Counter[str]) -> Iterator[str]:
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if not inside(entry):
            ignored[OUTSIDE] += 1
        elif not entry.is_file():
            ignored["folders within a class" if entry.is_dir() else "entries that are no files"] += 1
        elif not entry.name.lower().endswith(SUFFIXES):
            ignored[f"files {Path(entry.name).suffix.lower() or 'without a suffix'}"] += 1
        else:
            yield entry.name


def _inside(root: Path) -> Callable[[os.DirEntry[str]], bool]:
    real = os.path.realpath(root)

    def inside(entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or os.path.realpath(entry.path).startswith(os.path.join(real, ""))  # noqa: PTH118

    return inside


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
