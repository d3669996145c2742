"""Reads a set of images with masks or boxes from an .npz file, every array checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nastk.checks import check_name, check_path
from nastk.dense.task import NOT_COUNTED, SPLITS, DenseImages
from nastk.errors import UserError, shortened
from nastk.outside.npz import NpzFile, RefusedNpz, opened_npz

MOST_SIDE = 4096  # pixels
MOST_CLASSES = 255  # a mask has one byte a pixel, of which one value is not counted


class Kind(NamedTuple):
    """What an array of a split has to be: its type, and its shape, a letter standing for a length."""

    dtype: str
    shape: tuple[str | int, ...]


IMAGES = Kind("uint8", ("n", "height", "width", 3))
ARRAYS: Mapping[str, Mapping[str, Kind]] = {
    "segmentation": {"images": IMAGES, "masks": Kind("uint8", ("n", "height", "width"))},
    "detection": {
        "images": IMAGES,
        "boxes": Kind("float32", ("m", 4)),
        "labels": Kind("int64", ("m",)),
        "image": Kind("int64", ("m",)),
    },
}

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DenseSet:
    """Images with what is true of them; see `nastk.dense.task.DenseSet`.

    Attributes:
        classes: their names; of segmentation the first is the background, of detection there is none for it.
        splits: by name, all of images of one size.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, DenseImages]

    def split(self, name: str) -> DenseImages:
        """Returns images and targets of "train", "val" or "test"."""
        return self.splits[check_name("split", name, self.splits)]


def read_set(path: str | Path, task: str) -> DenseSet:
    """Reads a set.

    The file has `classes` (text, one name each) and for each split of train, val and test `{split}_images`, uint8
    (n, height, width, 3). Of segmentation, `{split}_masks`, uint8 (n, height, width): 0 is the background, 255 where a
    pixel does not count. Of detection, `{split}_boxes`, float32 (m, 4): x0, y0, x1, y1 in pixels; `{split}_labels`,
    int64 (m,); `{split}_image`, int64 (m,): which image of the split a box is in, counted from 0.

    Args:
        path: the .npz file.
        task: "segmentation" or "detection".

    Raises:
        UserError: there is no such task; the file is missing, damaged or larger than memory; an array is missing or
            not what it has to be.
    """
    kinds = ARRAYS[check_name("task", task, ARRAYS)]
    where = f"data {Path(check_path('data', path)).expanduser()}"
    wanted = ["classes", *(f"{split}_{name}" for split in SPLITS for name in kinds)]
    try:
        with opened_npz(Path(path).expanduser()) as file:
            _check_headers(where, file, wanted, task)
            arrays = file.arrays(wanted)
    except RefusedNpz as error:
        raise UserError(f"{where}: not an .npz file, or cut short ({error})") from None
    classes = _classes(where, arrays["classes"], least=2 if task == "segmentation" else 1)
    make = _masked if task == "segmentation" else _boxed
    splits = {}
    for split in SPLITS:
        part = {name: arrays[f"{split}_{name}"] for name in kinds}
        splits[split] = DenseImages(_tensor(part["images"]), make(f"{where}: {split}", part, classes))
    return DenseSet(classes, splits)


def _check_headers(where: str, file: NpzFile, wanted: Sequence[str], task: str) -> None:
    """Raises UserError where an array is missing, or its type or shape is another; the arrays stay unread."""
    for name in wanted:
        if name not in file.names:
            there = shortened(", ".join(sorted(file.names)))
            raise UserError(f"{where}: no array {name} in it, which a set for {task} has; there are: {there}")
    lengths: dict[str, tuple[int, str]] = {}
    for name in wanted[1:]:
        split, _, stem = name.partition("_")
        shape, dtype = file.header(name)
        kind = ARRAYS[task][stem]
        expected = f"{kind.dtype} ({', '.join(map(str, kind.shape))})"
        if dtype != np.dtype(kind.dtype) or len(shape) != len(kind.shape):
            raise UserError(f"{where}: {name} is {dtype} {shape}, expected {expected}")
        for length, wants in zip(shape, kind.shape, strict=True):
            if isinstance(wants, int):
                if length != wants:
                    raise UserError(f"{where}: {name} is {dtype} {shape}, expected {expected}")
                continue
            key = wants if wants in ("height", "width") else f"{split} {wants}"
            first, whose = lengths.setdefault(key, (length, name))
            if length != first:
                raise UserError(f"{where}: {name} is {dtype} {shape}, expected {wants}={first} as {whose} has it")
            if length < 1 or (wants in ("height", "width") and length > MOST_SIDE):
                raise UserError(f"{where}: {name} is {dtype} {shape}, expected {_least(wants)}")


def _least(wants: str) -> str:
    what = {"n": "at least one image", "m": "at least one box"}
    return what.get(wants, f"images of 1 to {MOST_SIDE} pixels a side")


def _classes(where: str, names: NDArray[Any], least: int) -> tuple[str, ...]:
    if names.dtype.kind != "U" or names.ndim != 1:
        raise UserError(f"{where}: classes is {names.dtype} {names.shape}, expected one text for each class")
    found = tuple(str(name) for name in names)
    if not least <= len(found) <= MOST_CLASSES:
        raise UserError(f"{where}: {len(found)} classes, expected {least} to {MOST_CLASSES}")
    for index, name in enumerate(found):
        if not name.strip() or not name.isprintable() or name in found[:index]:
            what = "is there twice" if name in found[:index] else "is no name"
            raise UserError(f"{where}: classes: {shortened(name)} {what}, expected every class by its own name")
    return found


def _masked(where: str, part: Arrays, classes: tuple[str, ...]) -> list[Tensor]:
    """Returns a mask an image, uint8 (height, width)."""
    masks = part["masks"]
    strange = (masks >= len(classes)) & (masks != NOT_COUNTED)
    if strange.any():
        image, row, column = (int(place) for place in np.argwhere(strange)[0])
        raise UserError(
            f"{where}_masks: {masks[image, row, column]} at row {row}, column {column} of image {image}, expected a "
            f"class from 0 to {len(classes) - 1}, or {NOT_COUNTED} for what is not counted"
        )
    if (masks == NOT_COUNTED).all():
        raise UserError(f"{where}_masks: {NOT_COUNTED} everywhere, expected at least one pixel that counts")
    return list(_tensor(masks))


def _boxed(where: str, part: Arrays, classes: tuple[str, ...]) -> list[dict[str, Tensor]]:
    """Returns the boxes and labels of each image, of one without boxes (0, 4) and (0,)."""
    images, boxes, labels, owners = (part[name] for name in ("images", "boxes", "labels", "image"))
    count, height, width, _ = images.shape
    x0, y0, x1, y1 = boxes.T
    # Written so that a NaN is none of it.
    good = (x0 >= 0) & (y0 >= 0) & (x1 <= width) & (y1 <= height) & (x1 > x0) & (y1 > y0)
    if not good.all():
        place = int(np.argmin(good))
        shown = ", ".join(f"{value:g}" for value in boxes[place])
        raise UserError(
            f"{where}_boxes: box {place} is ({shown}), expected x0 < x1 and y0 < y1 within {width}x{height} pixels"
        )
    for name, values, end, what in (("labels", labels, len(classes), "a class"), ("image", owners, count, "an image")):
        strange = (values < 0) | (values >= end)
        if strange.any():
            place = int(np.argmax(strange))
            raise UserError(f"{where}_{name}: {values[place]} of box {place}, expected {what} from 0 to {end - 1}")
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(count + 1))
    parts = [order[start:end] for start, end in pairwise(ends)]
    return [{"boxes": _tensor(boxes[one]), "labels": _tensor(labels[one])} for one in parts]


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
