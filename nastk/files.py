"""Files written so that a kill at any moment leaves the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from nastk.errors import UserError

WRITING = ".writing"
HERE, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Writes `data` to `path` at once: temporary name in the same folder, fsync, rename, fsync of the folder.

    Raises:
        UserError: the folder is missing or not writable, or the disk is full; `path` is as it was.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=WRITING)
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(OSError):  # some file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer is alive, see `remove_left_over`
            file.write(data)
            file.flush()
            os.fchmod(handle, 0o666 & ~umask())
            os.fsync(handle)
            Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file, on the disk when this returns; where it does not fit, the file is as it was.

    A kill may leave a part of the line, which lacks its end.

    Raises:
        UserError: the file cannot be written, or the disk is full.
    """
    try:
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            data = memoryview(f"{line}\n".encode(errors="backslashreplace"))
            try:
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise cannot_write(path, error) from None


def exchange(first: Path, second: Path) -> None:
    """Gives each of two files or folders the other's name at once.

    Raises:
        OSError: one is missing, or neither Linux nor a file system that can do it.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if call(HERE, os.fsencode(first), HERE, os.fsencode(second), EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(second))


def sync_folder(folder: Path) -> None:
    """Brings a folder's names to the disk: a file's own fsync does not. Some network file systems cannot; so be it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_left_over(folder: Path) -> None:
    """Removes temporary files below `folder` that a killed process left; those of a living one are locked and stay."""
    for path in folder.rglob(f".*{WRITING}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text to `path` at once; raises as `write_bytes`.

    The name of a file may have bytes that are no text, which Python keeps as surrogates: these are spelled, `\\udce9`.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, data: Any) -> None:
    """Writes `data` as indented JSON to `path` at once; NaN is refused, raises as `write_bytes`."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def cannot_write(path: Path, error: OSError) -> UserError:
    """Returns the one-line error for a file or folder that could not be written."""
    if error.errno in FULL:
        return UserError(
            f"{path}: cannot be written, {FULL[error.errno]} ({error.strerror}); what was there is unchanged, and the "
            "same command goes on when there is room"
        )
    return UserError(f"{path}: cannot be written ({error.strerror or error}); nothing was overwritten")


def umask() -> int:
    """Returns which permissions the user withholds from new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
