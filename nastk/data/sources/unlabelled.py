"""Images without labels, `data.unlabelled`: what a teacher answers to them is all that is learned from them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nastk.data.arrays import brought_to
from nastk.data.decode import SUFFIXES
from nastk.data.images import DataSource, Images, ImageSet, check_pixels
from nastk.data.sources.decoded import DecodedSource
from nastk.data.sources.image_folder import FileReader
from nastk.data.sources.listing import OUTSIDE, Listing, is_litter, list_entries, within
from nastk.data.sources.parts import NAMES
from nastk.data.stored import Skipped, StoredImages
from nastk.errors import UserError
from nastk.outside.npz import RefusedNpz, opened_npz

WHERE = "data.unlabelled"
ARRAY = "x"
MOST_DEEP = 32  # folders within each other


@dataclass(frozen=True)
class UnlabelledReader(FileReader):
    """Decodes the files of a listing whose folders are no classes."""

    def where(self, row: int) -> str:
        """Returns what messages call the image."""
        return f"{WHERE}: {self.listing.path(row)}"


def unlabelled_images(data: DataSource, *, tell: bool = False) -> ImageSet | None:
    """Returns the images that `data.unlabelled` names, brought to the size and colour of the others; None for none.

    They are files in a folder, in folders within it too, or `x` in an .npz file. Files are listed by name, hidden ones
    and links that lead out of the folder left aside, and decoded when they are wanted, like those of an image folder;
    one that cannot be is an error unless `data.skip_corrupt`. Their labels are all 0 and mean nothing. With `tell` what
    is left aside is said on stderr.

    Raises:
        UserError: there is no such folder or file, no image in it, or it holds the images that the data are tested on.
    """
    given = getattr(data, "unlabelled", None)
    if given is None:
        return None
    path = Path(given).expanduser()
    if path.is_file():
        return _of_array(path, data)
    if not path.is_dir():
        what = "neither a folder nor a file" if path.exists() else "no such folder"
        raise UserError(f"{WHERE}: {path}: {what}, expected a folder of images, or an .npz file with {ARRAY}")
    _check_apart(path, data)
    listing = list_all(path, tell=tell)
    return StoredImages(
        UnlabelledReader(listing, data.channels, data.size),
        torch.zeros(len(listing), dtype=torch.int64),
        torch.arange(len(listing)),
        memory_gb=data.memory_gb,
        workers=data.workers,
        skipped=_skipped(data),
    )


def list_all(root: Path, *, tell: bool) -> Listing:
    """Lists the image files of a folder and of those within it, sorted; says what is ignored, where it is to tell.

    Returns:
        A listing whose "classes" are the folders' paths below `root`.

    Raises:
        UserError: there is no image, a folder cannot be read, or they lie too deep.
    """
    ignored: Counter[str] = Counter()
    folders, labels, names = [], [], []
    for label, (folder, found) in enumerate(_walked(root, within(root), ignored)):
        folders.append(folder)
        names += [os.fsencode(name) for name in found]
        labels += [label] * len(found)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in ignored.most_common(5))
    if not names:
        raise UserError(
            f"{WHERE}: {root}: no image in it ({', '.join(SUFFIXES)}){f'; ignored {kinds}' if kinds else ''}"
        )
    if kinds and tell:
        print(f"nastk: {WHERE}: {root}: ignored {kinds}", file=sys.stderr)
    starts = np.concatenate([[0], np.cumsum([len(name) for name in names])]).astype(np.int64)
    return Listing(root, tuple(folders), np.array(labels, np.int64), b"".join(names), starts, ignored)


def _walked(
    root: Path, inside: Callable[[os.DirEntry[str]], bool], ignored: Counter[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder's path below `root`, in order, with the names of its images; links to folders are not gone."""
    left = ["."]
    while left:
        folder = left.pop(0)
        if folder.count("/") >= MOST_DEEP:
            raise UserError(f"{WHERE}: {root / folder}: expected at most {MOST_DEEP} folders within each other")
        found, below = [], []
        for entry in list_entries(root / folder):
            if is_litter(entry.name):
                continue
            if not inside(entry):
                ignored[OUTSIDE] += 1
            elif entry.is_dir():
                below += [] if entry.is_symlink() else [entry.name if folder == "." else f"{folder}/{entry.name}"]
            elif not entry.is_file():
                ignored["entries that are no files"] += 1
            elif entry.name.lower().endswith(SUFFIXES):
                found.append(entry.name)
            else:
                ignored[f"files {Path(entry.name).suffix.lower() or 'without a suffix'}"] += 1
        left = sorted(below) + left
        yield folder, sorted(found)


def _check_apart(folder: Path, data: DataSource) -> None:
    """Raises UserError where the folder holds images that the data have labels for, those of the test part too."""
    root = getattr(data, "root", None)
    if not root or Path(root).expanduser().is_file():
        return
    own, there = Path(root).expanduser().resolve(), folder.resolve()
    parts = {name for names in NAMES.values() for name in names} | set(data.classes)
    first = there.relative_to(own).parts[:1] if there.is_relative_to(own) else ()
    if own.is_relative_to(there) or any(name in parts or name.casefold() in parts for name in first):
        raise UserError(
            f"{WHERE}: {folder}: holds images of data.root={root}, which are trained or tested on with their labels; "
            "expected a folder beside it"
        )


def _skipped(data: DataSource) -> Skipped:
    """Returns where images that cannot be decoded are entered: with the data's own, where these may be skipped."""
    if isinstance(data, DecodedSource):
        return data.skipped
    return Skipped(way="move it away")


def _of_array(path: Path, data: DataSource) -> ImageSet:
    try:
        with opened_npz(path) as file:
            if ARRAY not in file.names:
                raise UserError(f"{WHERE}: {path}: no array {ARRAY} in it, there are: {', '.join(sorted(file.names))}")
            x = file.arrays([ARRAY])[ARRAY]
    except RefusedNpz as error:
        raise UserError(f"{WHERE}: {path}: not an .npz file, cut short or damaged ({error})") from None
    check_pixels(f"{WHERE}: {path}: {ARRAY}", x.shape, x.dtype, square=False)
    x = x[..., None] if x.ndim == 3 else x
    if not len(x) or x.shape[3] != data.channels:
        raise UserError(
            f"{WHERE}: {path}: {ARRAY} of shape {x.shape}, expected images of {data.channels} channel(s) as the data's"
        )
    pixels = torch.from_numpy(np.array(x.transpose(0, 3, 1, 2), order="C"))
    images = Images(pixels, torch.zeros(len(x), dtype=torch.int64))
    return brought_to(images, data.size, data.memory_gb, data.workers)
