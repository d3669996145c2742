"""The image files of a folder with one folder a class, named but not opened."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nastk.data.decode import SUFFIXES
from nastk.data.images import MAX_CLASSES
from nastk.errors import UserError, nearest

OUTSIDE = "symbolic links out of the folder"
# Folders that file managers and archive programs leave, in lower case: never a class.
LITTER = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"})
MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Listing:
    """Image files, sorted by class and name. 200,000 of them take some 10 MB: the names lie in one piece.

    Attributes:
        folder: which has a folder for each class.
        classes: their names.
        labels: int64 (n,), the class of each file.
        names: the files' names, one after another.
        starts: int64 (n + 1,), where in `names` each begins.
        ignored: what else was found, and how often; a folder by its name.
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


def is_litter(name: str) -> bool:
    """Says whether what lies in a set is none of the user's: hidden, or left by another program."""
    return name.startswith(".") or name.casefold() in LITTER


def list_classes(where: str, folder: Path, root: Path, least: int = 2) -> tuple[str, ...]:
    """Returns the names of the class folders in `folder`, sorted.

    Raises:
        UserError: there are fewer than `least`, or more than can be meant.
    """
    inside = within(root)
    entries = [entry for entry in list_entries(folder) if not is_litter(entry.name)]
    classes = sorted(entry.name for entry in entries if entry.is_dir() and inside(entry))
    if len(classes) < least:
        loose = sum(entry.name.lower().endswith(SUFFIXES) for entry in entries)
        outside = sum(entry.is_dir() and not inside(entry) for entry in entries)
        hint = f"; {loose} images lie beside it without a class" if loose else ""
        hint += f"; {outside} {OUTSIDE} are ignored" if outside else ""
        what = f"one class folder only, {classes[0]!r}" if classes else "no class folder"
        raise UserError(f"{where}: {folder}: {what}, expected at least {least}, each with images of one class{hint}")
    if len(classes) > MAX_CLASSES:
        raise UserError(f"{where}: {folder}: {len(classes)} class folders, expected at most {MAX_CLASSES}")
    return tuple(classes)


def list_images(
    where: str, folder: Path, classes: tuple[str, ...], root: Path, there: Sequence[str] | None = None
) -> Listing:
    """Lists the image files in the class folders, by their suffix; what is ignored is said on stderr.

    Hidden files, other suffixes, folders within a class and symbolic links that lead out of `root` are left aside.

    Args:
        where: what messages begin with.
        folder: with the class folders.
        classes: their names.
        root: that nothing may lead out of.
        there: the classes that have a folder, which may be empty; None where each must have one with an image.

    Raises:
        UserError: there is no image, or a folder cannot be read.
    """
    ignored: Counter[str] = Counter()
    inside = within(root)
    labels, names = [np.empty(0, np.int64)], []
    lengths: list[int] = []
    for label, name in enumerate(classes):
        if there is not None and name not in there:
            continue
        before = ignored.total()
        found = sorted(os.fsencode(entry) for entry in _image_names(folder / name, inside, ignored))
        if not found and there is None:
            others = f"; {ignored.total() - before} other files in it are ignored" if ignored.total() > before else ""
            raise UserError(f"{where}: {folder / name}: no image in it ({', '.join(SUFFIXES)}){others}")
        names.append(b"".join(found))
        lengths.extend(map(len, found))
        labels.append(np.full(len(found), label, np.int64))
    if not lengths:
        raise UserError(f"{where}: {folder}: no image in any of its class folders ({', '.join(SUFFIXES)})")
    _say_ignored(f"{where}: {folder}", ignored, _beside_classes(folder, inside, ignored))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Listing(folder, classes, np.concatenate(labels), b"".join(names), starts, ignored)


def check_classes(where: str, folder: Path, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raises UserError where another part has a class folder that the training part has not."""
    for name in found:
        if name not in expected:
            close = nearest(name, expected)[0]
            raise UserError(f"{where}: {folder / name}: no class of the training part; nearest is {close!r}")


def named_folders(names: Sequence[str]) -> list[str]:
    """Returns folders as messages name them, the first few of many."""
    more = [f"{len(names) - MOST_NAMED} more folders"] if len(names) > MOST_NAMED else []
    return [*(f"{name}/" for name in names[:MOST_NAMED]), *more]


def _say_ignored(where: str, ignored: Counter[str], folders: Sequence[str]) -> None:
    """Says what is ignored, and enters the folders."""
    kinds = [f"{count:,} {kind}" for kind, count in ignored.most_common(MOST_NAMED)]
    if kinds or folders:
        print(f"nastk: {where}: ignored {', '.join([*kinds, *named_folders(folders)])}", file=sys.stderr)
    ignored.update({f"folder {name}/": 1 for name in folders})


def _beside_classes(folder: Path, inside: Callable[[os.DirEntry[str]], bool], ignored: Counter[str]) -> list[str]:
    """Counts images that lie beside the class folders, and returns the folders there that are no classes."""
    left_out = []
    for entry in list_entries(folder):
        if entry.is_dir():
            hidden = entry.name.startswith(".")
            left_out += [entry.name] if not hidden and (is_litter(entry.name) or not inside(entry)) else []
        elif entry.name.lower().endswith(SUFFIXES) and not is_litter(entry.name):
            ignored["images without a class folder"] += 1
    return sorted(left_out)


def _image_names(folder: Path, inside: Callable[[os.DirEntry[str]], bool], ignored: Counter[str]) -> Iterator[str]:
    for entry in list_entries(folder):
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


def within(root: Path) -> Callable[[os.DirEntry[str]], bool]:
    """Returns what says of an entry whether it is no symbolic link that leads out of `root`."""
    real = os.path.realpath(root)

    def inside(entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or os.path.realpath(entry.path).startswith(os.path.join(real, ""))  # noqa: PTH118

    return inside


def list_entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields what lies in a folder; raises UserError where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
