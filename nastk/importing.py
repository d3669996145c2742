"""Importing without Python's garbage collector, which would walk again and again over what is never freed."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collects nothing within the context, and leaves out later what there is at its end.

    torch, Lightning and Optuna make half a million objects: collecting while they are imported, and walking over them
    ever after, was an eighth of a short search.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _leave_out()
        if enabled:
            gc.enable()


@functools.cache
def _leave_out() -> None:
    """Once a process: later there may be garbage among what is there."""
    gc.freeze()
