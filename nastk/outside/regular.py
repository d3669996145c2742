"""Opens and reads regular files of a bounded size; a pipe or a device in place of one would never end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from nastk.errors import UserError

MIB = 2**20
DOCUMENT = 64 * MIB  # of a JSON file, the largest of which are tables of latencies
UTF16 = (b"\xff\xfe", b"\xfe\xff")
BOM = "\ufeff"


@contextmanager
def opened(path: Path, limit: int) -> Iterator[BufferedReader]:
    """Opens a file for reading, once it is known to be a regular file of at most `limit` bytes.

    Raises:
        UserError: it is missing, of another kind or too large, or reading within the context fails.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _check(path, os.fstat(handle), limit)
        except BaseException:
            os.close(handle)
            raise
        with os.fdopen(handle, "rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a null byte in the path
        if "null" not in str(error):
            raise
        raise UserError(f"{str(path)!r}: not a path ({error})") from None


def read_bytes(path: Path, limit: int = DOCUMENT) -> bytes:
    """Returns the content of a regular file of at most `limit` bytes; raises UserError as `opened`."""
    with opened(path, limit) as file:
        data = file.read(limit + 1)
    if len(data) > limit:  # it grows, or is one of those of the system that say a size of 0
        raise UserError(f"{path}: over {sized(limit)}, expected at most that")
    return data


def read_text(path: Path, limit: int = DOCUMENT) -> str:
    """Returns the text of a UTF-8 file, without a byte order mark; raises UserError as `opened` and `decoded`."""
    return decoded(read_bytes(path, limit), str(path))


def decoded(data: bytes, where: str, before: int = 0) -> str:
    """Returns UTF-8 text without a byte order mark.

    Args:
        data: a file's, or a part of it.
        where: what the message begins with.
        before: how many bytes of the file stand before `data`.

    Raises:
        UserError: it is no UTF-8.
    """
    try:
        return data.decode().removeprefix(BOM)
    except UnicodeDecodeError as error:
        place = before + error.start
        found = "it looks like UTF-16" if data.startswith(UTF16) else f"{error.reason} at byte {place}"
        raise UserError(f"{where}: not UTF-8 text ({found}); it was saved otherwise, or is damaged") from None


def sized(count: int) -> str:
    """Returns a number of bytes for a person to read."""
    for unit, name in ((2**30, "GiB"), (MIB, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}".replace(".0 ", " ")
    return f"{count} bytes"


def _check(path: Path, state: os.stat_result, limit: int) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise UserError(f"{path}: {_kind(state.st_mode)}, expected a regular file")
    if state.st_size > limit:
        raise UserError(f"{path}: {state.st_size} bytes, expected at most {limit}")


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "no file")
