"""Files written so that a kill at any moment leaves the old content or the new, never half of it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from nastk.errors import UserError


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` at once: temporary name in the same folder, fsync, rename.

    Raises:
        UserError: the folder is missing or not writable, or the disk is full; `path` is as it was.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise cannot_write(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text to `path` at once; raises as `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """Writes `data` as indented JSON to `path` at once; NaN is refused, raises as `write_bytes`."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: it is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); the file is cut short or damaged") from None


def cannot_write(path: Path, error: OSError) -> UserError:
    """Returns the one-line error for a file or folder that could not be written."""
    return UserError(f"{path}: cannot be written ({error.strerror or error}); nothing was overwritten")
