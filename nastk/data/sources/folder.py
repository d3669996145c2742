"""Finding and reading the files of a data folder, with one-line errors."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path

from nastk import outside
from nastk.errors import UserError
from nastk.outside.regular import sized

MAX_BYTES = 2**30  # of one file of a set, unpacked; the largest there is has 180 MB


def data_folder(name: str, root: str | None) -> Path:
    """Returns `root` as a path; raises UserError where it is not given, missing, not a folder or empty."""
    if not root:
        raise UserError(f"data {name}: no root given, expected the folder that holds its files (data.root=/path)")
    folder = Path(root).expanduser()
    try:
        if not folder.is_dir():
            what = "not a folder" if folder.exists() else "no such folder"
            raise UserError(f"data {name}: {folder}: {what}, expected the folder that holds its files")
        if next(folder.iterdir(), None) is None:
            raise UserError(f"data {name}: {folder}: the folder is empty")
    except OSError as error:
        raise UserError(f"data {name}: {folder}: cannot be read ({error.strerror})") from None
    return folder


def find_file(name: str, folder: Path, candidates: Iterable[str]) -> Path:
    """Returns the first of `candidates` that is in `folder`; raises UserError naming the first where none is."""
    names = list(candidates)
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise UserError(f"data {name}: {folder}: no file {names[0]} in it, expected one of: {', '.join(names)}")


def read_bytes(name: str, path: Path) -> bytes:
    """Reads a file, unpacked where it ends in .gz; raises UserError where it is unreadable, cut short or damaged."""
    try:
        data = outside.read_bytes(path, MAX_BYTES)
        if path.suffix == ".gz":
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UserError(f"data {name}: {path}: not a whole gzip file; it is cut short or damaged") from None
    except UserError as error:
        raise UserError(f"data {name}: {error}") from None
    if len(data) > MAX_BYTES:
        raise UserError(f"data {name}: {path}: unpacks to over {sized(MAX_BYTES)}, expected at most that")
    return data
