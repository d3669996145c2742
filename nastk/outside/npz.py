"""Reads arrays from .npz files of others: plain numbers and text, no larger than they say and than memory holds.

Those of our own are written as `packed_npz` has them, which hold no Python objects either.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError
from nastk.free_memory import free_memory
from nastk.outside.regular import opened, sized

LARGEST = 2**40
SINGLE = b"\x93NUMPY"
MOST_MEMBERS = 10_000
SUFFIX = ".npy"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
ENCRYPTED = 1
DAMAGED = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)
VERSIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class RefusedNpz(Exception):  # noqa: N818 - it says what is wrong with the file; who reads it knows what it is for
    """A file or an array in it that is not read; the message begins with the array's name."""


def packed_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Returns the bytes of an .npz file of these arrays; raises ValueError where one is of Python objects."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


class NpzFile:
    """An .npz file that is open: see `opened_npz`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {one.filename.removesuffix(SUFFIX): one for one in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """Of the arrays, in the file's order."""
        return list(self._members)

    def arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Returns arrays by name, each one of `names`.

        Raises:
            RefusedNpz: one is damaged, encrypted, of Python objects or not of the size that it claims, or together
                they are larger than the memory that is free.
        """
        size, free = sum(self._members[name].file_size for name in names), free_memory()
        if free is not None and size > free:
            wanted = ", ".join(names)
            raise RefusedNpz(f"{wanted} would unpack to {sized(size)}, {sized(free)} of memory are free")
        return {name: self._array(name) for name in names}

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Returns shape and type that an array says it has, one of `names`; raises RefusedNpz as `arrays`."""
        with self._member(name) as file:
            shape, _, kind = _header(name, file)
            return shape, kind

    def _array(self, name: str) -> NDArray[Any]:
        with self._member(name) as file:
            return _read(name, file, self._members[name].file_size)

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        member = self._members[name]
        if member.flag_bits & ENCRYPTED:
            raise RefusedNpz(f"{name} is encrypted, expected a plain array")
        if member.compress_type not in METHODS:
            raise RefusedNpz(f"{name} is packed by method {member.compress_type}, expected stored or deflated")
        try:
            with self._archive.open(member) as file:
                yield file
        except (*DAMAGED, RuntimeError) as error:
            raise RefusedNpz(f"{name} is cut short or damaged ({error})") from None


@contextmanager
def opened_npz(path: Path) -> Iterator[NpzFile]:
    """Opens an .npz file; its arrays are read within the context.

    Raises:
        UserError: it is missing, no regular file, or a single array.
        RefusedNpz: it is no .npz file, or cut short.
    """
    with opened(path, LARGEST) as file:
        if file.read(len(SINGLE)) == SINGLE:
            raise UserError(f"{path}: a single array, expected an .npz file")
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGED as error:
            raise RefusedNpz(f"{error}") from None
        with archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise RefusedNpz(f"{len(archive.infolist())} members, expected at most {MOST_MEMBERS}")
            yield NpzFile(archive)


def _header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Returns an array's shape, whether it lies column by column, and its type."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in VERSIONS:
            raise ValueError(f"version {version[0]}.{version[1]} of the format")
        return VERSIONS[version](file)
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception as error:  # a header is parsed as Python: what the parser can raise has no list
        raise RefusedNpz(f"{name} is cut short or damaged (its header: {' '.join(str(error).split())[:120]})") from None


def _read(name: str, file: IO[bytes], size: int) -> NDArray[Any]:
    """Reads an array of a member of `size` bytes; its header is believed only as far as the member goes."""
    shape, by_column, kind = _header(name, file)
    if kind.hasobject:
        raise RefusedNpz(f"{name} holds Python objects, expected numbers")
    count, rest = math.prod(shape), size - file.tell()
    if min(shape, default=1) < 0 or count * kind.itemsize != rest:
        raise RefusedNpz(f"{name} says that it is {kind} {shape}, but has {sized(rest)}")
    data = bytearray(rest)
    filled = 0
    while part := file.read(min(2**24, rest - filled)):
        data[filled : filled + len(part)] = part
        filled += len(part)
    if filled != rest or file.read(1):
        raise EOFError(f"{filled} bytes of {rest}")
    return np.frombuffer(data, kind, count).reshape(shape, order="F" if by_column else "C")
