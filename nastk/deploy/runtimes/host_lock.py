"""Locks of machines, held by files: threads and processes of this machine that measure on another one take turns."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from nastk.files import cannot_write


def locked(path: Path) -> int | None:
    """Returns the handle of a lock, which lasts until it is closed or its process ends; None where it is taken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        unlocked(handle)
        return None
    return handle


def unlocked(handle: int) -> None:
    """Gives a lock back, also one that a child process has inherited."""
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
