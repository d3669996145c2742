"""report/shown.json and shown.npz of a run: what its page shows of the images, and the answers of the file to ship."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.checks import is_whole
from nastk.errors import UserError
from nastk.files import cannot_write, write_bytes, write_json
from nastk.outside import read_bytes
from nastk.outside.npz import RefusedNpz, opened_npz, packed_npz
from nastk.runs.schema import SCHEMA, Object, read_object

FOLDER, RECORD, ARRAYS = "report", "shown.json", "shown.npz"
MOST_BYTES = 2**28
ANSWERS = ("labels", "predicted", "confidence")
PICTURES = ("wrong", "wrong_at", "examples", "example_labels")

Ints = NDArray[np.int64]
Pictures = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a file says of test images.

    Attributes:
        file: its name.
        labels: the class of each image, (n,).
        predicted: what the file says it is, (n,).
        confidence: the softmax of that, (n,), 0 to 1.
        of: test images that there are; n of them were drawn at random where that is more.
    """

    file: str
    labels: Ints
    predicted: Ints
    confidence: NDArray[np.float32]
    of: int


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows of the images.

    Attributes:
        made_of: what it was made of, to tell whether it still holds.
        classes: their names.
        train: training images of each class.
        test: test images of each class.
        answers: None where there is no file that answers.
        wrong: images (k, side, side, channels) that are wrong with the largest confidence; `wrong_at` has their places
            in `answers`, (k,).
        examples: images (m, side, side, channels) and their classes (m,).
    """

    made_of: Mapping[str, Any]
    classes: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    answers: Answers | None = None
    wrong: Pictures | None = None
    wrong_at: Ints | None = None
    examples: Pictures | None = None
    example_labels: Ints | None = field(default=None)


def write_shown(run: Path, shown: Shown) -> None:
    """Writes both files into a run folder, the record with the arrays' hash last."""
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    arrays = {name: getattr(shown.answers, name) for name in ANSWERS if shown.answers is not None}
    arrays |= {name: getattr(shown, name) for name in PICTURES if getattr(shown, name) is not None}
    data = packed_npz(arrays)
    write_bytes(folder / ARRAYS, data)
    record = {
        "schema": SCHEMA,
        "made_of": dict(shown.made_of),
        "classes": list(shown.classes),
        "train": list(shown.train),
        "test": list(shown.test),
        "file": shown.answers and shown.answers.file,
        "test_images": shown.answers and shown.answers.of,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_json(folder / RECORD, record)


def forget_shown(run: Path) -> None:
    """Removes the record, so that nothing is shown that no longer holds; raises UserError where it cannot be."""
    try:
        (run / FOLDER / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(run / FOLDER / RECORD, error) from None


def read_shown(run: Path) -> Shown | None:
    """Returns what lies in a run folder, None where nothing does.

    Raises:
        UserError: a file is damaged, or they do not belong together; names it.
    """
    record, arrays = run / FOLDER / RECORD, run / FOLDER / ARRAYS
    if not record.exists() or not arrays.exists():
        return None
    found = read_object(record)
    if hashlib.sha256(read_bytes(arrays, MOST_BYTES)).hexdigest() != found.get("sha256"):
        raise UserError(f"{arrays}: is not the file that {RECORD} was written with; remove {arrays.parent} to go on")
    try:
        with opened_npz(arrays) as file:
            held = file.arrays([name for name in file.names if name in (*ANSWERS, *PICTURES)])
    except RefusedNpz as error:
        raise UserError(f"{arrays}: {error}") from None
    return _checked(record, found, held)


def _checked(path: Path, found: Object, held: Mapping[str, NDArray[Any]]) -> Shown:
    """Returns the record and its arrays where they fit each other, as a page relies on it."""
    lists = [found.get(name) for name in ("classes", "train", "test")]
    if not all(isinstance(part, list) and part for part in lists):
        raise UserError(f"{path}: classes, train and test are no lists; damaged, remove {path.parent}")
    names, *counts = (list(part or ()) for part in lists)
    train, test = (tuple(one for one in part if is_whole(one, 0)) for part in counts)
    pictures: dict[str, Any] = {name: held[name] for name in PICTURES if name in held}
    answers = _answers(found, held, len(names))
    shown = Shown(found.get("made_of") or {}, tuple(map(str, names)), train, test, answers, **pictures)
    if not _fits(shown):
        raise UserError(f"{path}: does not fit the arrays beside it; damaged, remove {path.parent}")
    return shown


def _answers(found: Object, held: Mapping[str, NDArray[Any]], classes: int) -> Answers | None:
    if not all(name in held for name in ANSWERS):
        return None
    labels, predicted, confidence = (held[name] for name in ANSWERS)
    good = len(labels) and labels.shape == predicted.shape == confidence.shape == (len(labels),)
    if not good or min(labels.min(), predicted.min()) < 0 or max(labels.max(), predicted.max()) >= classes:
        return None
    of = found.get("test_images")
    return Answers(str(found.get("file")), labels, predicted, confidence, of if isinstance(of, int) else len(labels))


def _fits(shown: Shown) -> bool:
    """Whether every picture has its class or its answer."""
    if not len(shown.train) == len(shown.test) == len(shown.classes):
        return False
    count = 0 if shown.answers is None else len(shown.answers.labels)
    for pictures, places, end in (
        (shown.wrong, shown.wrong_at, count),
        (shown.examples, shown.example_labels, len(shown.classes)),
    ):
        if (pictures is None) != (places is None):
            return False
        if pictures is None or places is None or not len(places):
            continue
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] not in (1, 3):
            return False
        if len(pictures) != len(places) or places.min() < 0 or places.max() >= end:
            return False
    return True
