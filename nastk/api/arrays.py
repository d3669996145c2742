"""Images that are arrays: written once into the run's folder, from where a run that goes on reads them again."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.data.sources.npz import ARRAYS
from nastk.errors import UserError, shortened
from nastk.files import write_bytes
from nastk.outside.npz import RefusedNpz, opened_npz, packed_npz
from nastk.runs.folder import held, made_folder

FILE = "images.npz"
TEST_SHARE = 0.2
FEWEST = 2  # of a class, where a share is split off
SPLIT_SEED = 0

Arrays = dict[str, NDArray[Any]]


def array_set(images: Any) -> Arrays:
    """Returns arrays as an .npz file of `data=npz` holds them: x_train, y_train, x_test, y_test, perhaps classes.

    Args:
        images: (x, y), of which a fifth of each class is split off for testing, always the same; or (x_train, y_train,
            x_test, y_test), or a mapping of these names, with `classes` where labels are numbers that have names.
            Pixels are whole numbers 0 to 255, (n, height, width) or (n, height, width, 1 or 3); labels are
            numbers from 0 or names.

    Raises:
        UserError: another form, type or number.
    """
    found = _named(images)
    classes = None if found.get("classes") is None else [str(one) for one in np.asarray(found["classes"]).ravel()]
    labels = {name: np.asarray(found[name]) for name in found if name.startswith("y_")}
    if any(one.dtype.kind in "UO" for one in labels.values()):
        classes, labels = _numbered(labels, classes)
    for name, one in labels.items():
        if one.dtype.kind not in "iu" or one.ndim != 1:
            raise UserError(f"images: {name} is {one.dtype} {one.shape}, expected a number or a name for each image")
    result: Arrays = {name: one.astype(np.int64) for name, one in labels.items()}
    result |= {name: _pixels(name, found[name]) for name in found if name.startswith("x_")}
    for part in {name[2:] for name in result}:
        images_, own = len(result[f"x_{part}"]), len(result[f"y_{part}"])
        if images_ != own:
            raise UserError(f"images: {images_} images and {own} labels in x_{part} and y_{part}, expected as many")
    if "x_test" not in result:
        result = _split(result, classes)
    return result if classes is None else result | {"classes": np.asarray(classes, dtype=np.str_)}


@contextlib.contextmanager
def kept_arrays(folder: Path, arrays: Arrays, new: bool) -> Iterator[Path]:
    """Writes the arrays into a run's folder, or finds them there; takes them away again where the block begins no run.

    Args:
        folder: of the run.
        arrays: as `array_set` returns them.
        new: whether the folder was made for them, and goes with them.

    Raises:
        UserError: other images are there, the folder is no run's, or the file cannot be written.
    """
    with held(made_folder(folder)):
        path, written = folder / FILE, not (folder / FILE).exists()
        _keep(path, arrays)
    try:
        yield path.absolute()
    finally:
        if written and not (folder / "config.yaml").exists():
            path.unlink(missing_ok=True)
            if new:
                shutil.rmtree(folder, ignore_errors=True)


def _keep(path: Path, arrays: Arrays) -> None:
    if path.exists():
        try:
            with opened_npz(path) as file:
                same = set(file.names) == arrays.keys() and all(
                    np.array_equal(file.arrays([name])[name], one) for name, one in arrays.items()
                )
        except RefusedNpz as error:
            raise UserError(f"{path}: damaged ({error}); remove it, and it is written anew") from None
        if not same:
            raise UserError(f"{path}: holds other images than those given; use the same to go on, or another run")
        return
    write_bytes(path, packed_npz(arrays))


def _named(images: Any) -> dict[str, Any]:
    if isinstance(images, Mapping):
        other = next((name for name in images if name not in (*ARRAYS, "classes")), None)
        missing = next((name for name in ARRAYS[:2] if name not in images), None)
        half = ("x_test" in images) != ("y_test" in images)
        if other is not None or missing is not None or half:
            raise UserError(f"images: a mapping of {', '.join(map(str, images))}, expected {', '.join(ARRAYS)}")
        return dict(images)
    if isinstance(images, tuple | list) and len(images) in (2, len(ARRAYS)):
        return dict(zip(ARRAYS, images, strict=False))
    told = f"{len(images)} of them" if isinstance(images, tuple | list) else type(images).__name__
    raise UserError(f"images: {told}, expected a folder, (x, y), (x_train, y_train, x_test, y_test) or a mapping")


def _numbered(labels: Arrays, classes: list[str] | None) -> tuple[list[str], Arrays]:
    """Returns class names, by default the training part's in order, and labels as their numbers."""
    for name, one in labels.items():
        strange = next((label for label in one.ravel() if not isinstance(label, str)), None)
        if strange is not None:
            raise UserError(f"images: {name} has the label {shortened(strange)}, expected names throughout")
    names = sorted({str(label) for label in labels["y_train"].ravel()}) if classes is None else classes
    places = {name: place for place, name in enumerate(names)}
    numbered: Arrays = {}
    for name, one in labels.items():
        unknown = sorted({str(label) for label in one.ravel()} - places.keys())
        if unknown:
            raise UserError(f"images: {name} has the class {unknown[0]!r}, the training part has {', '.join(names)}")
        numbered[name] = np.array([places[str(label)] for label in one.ravel()], dtype=np.int64).reshape(one.shape)
    return names, numbered


def _pixels(name: str, given: Any) -> NDArray[np.uint8]:
    found = np.asarray(given)
    if found.dtype.kind not in "iu":
        hint = "; (x * 255).round().astype('uint8') where they are 0 to 1" if found.dtype.kind == "f" else ""
        raise UserError(f"images: {name} is an array of {found.dtype}, expected whole numbers from 0 to 255{hint}")
    if found.ndim not in (3, 4) or 0 in found.shape or (found.ndim == 4 and found.shape[3] not in (1, 3)):
        last = found.ndim == 4 and found.shape[1] in (1, 3)
        hint = "; np.moveaxis(x, 1, -1) brings the colours last" if last else ""
        raise UserError(
            f"images: {name} has shape {found.shape}, expected (n, height, width) or (n, height, width, 3){hint}"
        )
    if found.dtype != np.uint8 and (found.min() < 0 or found.max() > 255):
        raise UserError(f"images: {name} has pixels from {found.min()} to {found.max()}, expected 0 to 255")
    pixels = found[..., 0] if found.ndim == 4 and found.shape[3] == 1 else found
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _split(arrays: Arrays, classes: Sequence[str] | None) -> Arrays:
    """Returns the arrays with a share of each class as the test part, drawn by `SPLIT_SEED`."""
    x, y = arrays["x_train"], arrays["y_train"]
    draw, tested = np.random.default_rng(SPLIT_SEED), np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        if len(own) < FEWEST:
            name = label if classes is None or not 0 <= label < len(classes) else repr(classes[label])
            raise UserError(f"images: class {name} has {len(own)} image, expected at least {FEWEST} to test on one")
        tested[draw.permutation(own)[: max(1, round(TEST_SHARE * len(own)))]] = True
    return {"x_train": x[~tested], "y_train": y[~tested], "x_test": x[tested], "y_test": y[tested]}
