"""Locks of machines, held by files: threads and processes of this machine that measure on another one take turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from nastk.errors import UserError
from nastk.files import cannot_write

LOOK_AGAIN_SECONDS = 0.05


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


@contextlib.contextmanager
def turn(path: Path, device: str) -> Iterator[None]:
    """Waits until nobody else on this machine measures on a device; where no lock can be made, it says so and goes on.

    Args:
        path: of the lock.
        device: what it is called, for the messages.
    """
    handle, told = None, False
    try:
        while (handle := locked(path)) is None:
            if not told:
                print(f"note: {device}: another command measures there; this one waits for its turn", file=sys.stderr)
            told = True
            time.sleep(LOOK_AGAIN_SECONDS)
    except UserError as error:
        print(f"note: {device}: {error}; another command may measure there at the same time", file=sys.stderr)
    try:
        yield
    finally:
        if handle is not None:
            unlocked(handle)


def unlocked(handle: int) -> None:
    """Gives a lock back, also one that a child process has inherited."""
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
