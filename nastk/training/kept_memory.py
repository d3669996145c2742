"""Memory that a training frees stays with the process for its next step, and is not taken anew from the system."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager

# From malloc.h of glibc. Left alone, it takes each tensor above 32 MB anew from the system and gives it back when it is
# freed: with images of 128 pixels more than half of a step may go into new pages.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1  # that mallopt takes
LARGEST_BEFORE = 2**25  # that glibc before 2.35 takes for M_MMAP_THRESHOLD


@contextmanager
def memory_kept() -> Iterator[None]:
    """Within it glibc keeps what is freed; at its end what is free goes back to the system. Elsewhere it does nothing.

    glibc's own thresholds, which cannot be read, are not set again: a process that has trained takes tensors from its
    heap from then on.
    A thread that memory has run out in is moved to another arena by glibc, which keeps no large tensors: it goes on as
    without this.
    """
    library = _glibc()
    if library is not None:
        if not library.mallopt(M_MMAP_THRESHOLD, LARGEST):
            library.mallopt(M_MMAP_THRESHOLD, LARGEST_BEFORE)
        library.mallopt(M_TRIM_THRESHOLD, LARGEST)
    try:
        yield
    finally:
        if library is not None:
            library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # Windows has no library without a name
        library = ctypes.CDLL(None)
        if library.gnu_get_libc_version and library.mallopt and library.malloc_trim:
            return library
    return None
