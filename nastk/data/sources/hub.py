"""Opens a set of Hugging Face's `datasets` library, local or from the hub; every way it can fail is one line."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.data.decode import CorruptImage, Header, decode, read_header
from nastk.errors import UserError, unknown
from nastk.outside import read_json


@dataclass(frozen=True)
class HubDataset:
    """A set whose parts are opened when they are asked for.

    Attributes:
        splits: names of its parts.
        part: gives a part (a `datasets.Dataset`) by its name.
    """

    splits: tuple[str, ...]
    part: Callable[[str], Any]


def open_set(where: str, path: str, config_name: str | None, revision: str | None, cache: str | None) -> HubDataset:
    """Opens a set.

    Args:
        where: what messages begin with.
        path: a folder that `save_to_disk` wrote or that holds parquet, arrow or image files; else a name on the hub,
            whose files are downloaded. No code of a set is ever run.
        config_name: which of its configurations.
        revision: commit, tag or branch on the hub.
        cache: folder for what is downloaded or converted; None for the library's own.

    Raises:
        UserError: the library is not installed, or there is no such set, or it cannot be read.
    """
    datasets = _library(where)
    folder = Path(path).expanduser()
    if not folder.is_dir() and (path.startswith((".", "/", "~")) or path.count("/") > 1):
        raise UserError(f"{where}: {folder}: no such folder, expected a saved set, or a name on the hub (user/name)")
    if folder.is_dir() and (folder / "dataset_dict.json").is_file():
        names = _tried(where, path, lambda: tuple(map(str, read_json(folder / "dataset_dict.json")["splits"])))
        return HubDataset(names, lambda name: _tried(where, path, lambda: datasets.load_from_disk(str(folder / name))))
    if folder.is_dir() and (folder / "state.json").is_file():
        return HubDataset(("train",), lambda _: _tried(where, path, lambda: datasets.load_from_disk(str(folder))))

    def prepared() -> Any:
        builder = datasets.load_dataset_builder(
            str(folder) if folder.is_dir() else path, name=config_name, revision=revision, cache_dir=cache
        )
        builder.download_and_prepare()
        return builder

    builder = _tried(where, path, prepared)
    return HubDataset(
        tuple(builder.info.splits or ()), lambda name: _tried(where, path, lambda: builder.as_dataset(split=name))
    )


def _library(where: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(f"{where}: needs the library datasets: pip install 'nastk[huggingface]'") from None
    if not sys.stderr.isatty():  # nor while there is a view, in the middle of which a bar would land
        datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    return datasets


def _tried(where: str, path: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (MemoryError, UserError):
        raise
    except Exception as error:  # of the library, of arrow, of the network, of fsspec: there is no list
        raise UserError(f"{where}: {path}: {' '.join(str(error).split())[:300] or type(error).__name__}") from None


@dataclass(frozen=True)
class Columns:
    """Which columns of a set hold image and label.

    Attributes:
        image: of images.
        label: of labels.
        classes: names of the labels; None where the set does not say.
    """

    image: str
    label: str
    classes: tuple[str, ...] | None


def find_columns(where: str, part: Any, image: str | None, label: str | None) -> Columns:
    """Finds the columns by their types.

    Args:
        where: what messages begin with.
        part: a `datasets.Dataset`.
        image: name of the image column; None for the only one of type Image.
        label: name of the label column; None for the only one of type ClassLabel, or else "label".

    Raises:
        UserError: there is none, or several, or one of another type.
    """
    datasets = _library(where)
    features = dict(part.features)
    named = ", ".join(f"{name} ({type(kind).__name__})" for name, kind in features.items())
    for given in (image, label):
        if given is not None and given not in features:
            raise unknown(f"column of {where}", given, features)
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if not labels:
        labels = [name for name in ("label", "labels") if name in features]
    chosen = []
    for given, found, field in ((image, images, "image"), (label, labels, "label")):
        if given is None and len(found) != 1:
            what = f"several columns of that kind, {', '.join(found)}" if found else f"none among {named}"
            raise UserError(f"{where}: which column holds the {field}? {what}; give data.{field}=COLUMN")
        chosen.append(given if given is not None else found[0])
    if chosen[0] not in images:
        raise UserError(f"{where}: column {chosen[0]!r} is not of type Image, there are: {named}")
    kind = features[chosen[1]]
    classes = tuple(kind.names) if isinstance(kind, datasets.ClassLabel) and kind.names else None
    return Columns(chosen[0], chosen[1], classes)


def encoded(where: str, part: Any, column: str) -> Any:
    """Returns the part's image column alone, not decoded: {"bytes": ..., "path": ...} a row."""
    datasets = _library(where)
    return part.select_columns([column]).cast_column(column, datasets.Image(decode=False)).with_format(None)


def _arrow(part: Any, column: str) -> Any:
    """Returns a column as it lies in the file, a `pyarrow.ChunkedArray`."""
    return part.with_format("arrow").select_columns([column])[:].column(column)


def read_labels(where: str, part: Any, column: str) -> NDArray[Any]:
    """Returns a part's labels: whole numbers, or text where the set has its labels so.

    Raises:
        UserError: one is missing, or they are of another type.
    """
    array = np.asarray(_arrow(part, column).to_pylist())
    if array.dtype.kind not in "iuU" or array.ndim != 1:
        missing = array.dtype.kind == "O" and any(value is None for value in array)
        what = "some are missing" if missing else f"type {array.dtype}, shape {array.shape}"
        raise UserError(f"{where}: column {column!r}: {what}, expected a whole number or a name for each image")
    if array.dtype.kind in "iu" and len(array) and array.min() < 0:
        raise UserError(f"{where}: column {column!r}: label {array.min()}, expected 0 or more; has this part labels?")
    return array


@dataclass(frozen=True)
class HubReader:
    """Decodes the images of a part, see `Reader`.

    Attributes:
        images: see `encoded`.
        column: its one column.
        channels: 1 for grey, 3 for RGB.
        size: pixels a side.
        label: what messages call the part.
    """

    images: Any
    column: str
    channels: int
    size: int
    label: str

    def read(self, row: int) -> NDArray[np.uint8]:
        """Returns image `row` as uint8 (channels, size, size); raises CorruptImage."""
        return decode(content(self.images, self.column, row), self.channels, self.size)

    def where(self, row: int) -> str:
        """Returns what messages call the image."""
        return f"{self.label}[{row}]"

    def fingerprint(self, rows: NDArray[np.int64]) -> bytes:
        """Returns a hash of the images' sizes in bytes, or of the names of their files."""
        import pyarrow.compute

        cells = _arrow(self.images, self.column).take(rows)
        lengths = pyarrow.compute.binary_length(pyarrow.compute.struct_field(cells, "bytes")).to_pylist()
        paths = pyarrow.compute.struct_field(cells, "path").to_pylist()
        digest = hashlib.sha256()
        for row, length, path in zip(rows.tolist(), lengths, paths, strict=True):
            digest.update(f"{row} {Path(path or '').name if length is None else length}\n".encode())
        return digest.digest()


def content(images: Any, column: str, row: int) -> bytes | Path:
    """Returns the bytes of an image, or where its file lies; raises CorruptImage where there is neither."""
    cell = images[int(row)][column]
    if cell is None or (cell.get("bytes") is None and not cell.get("path")):
        raise CorruptImage("no image")
    found = cell.get("bytes")
    return found if found is not None else Path(cell["path"])


def header(images: Any, column: str, row: int) -> Header:
    """Returns what image `row` says of itself; raises CorruptImage."""
    return read_header(content(images, column, row))
