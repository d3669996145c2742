"""Keeps what is read from outside from taking more memory than is free."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nastk.free_memory import free_memory

STATM = Path("/proc/self/statm")


@contextmanager
def no_more_than_is_free() -> Iterator[None]:
    """Lets this process take no more memory than is free now: what asks for more fails, not the whole machine."""
    free = free_memory()
    if free is None or not STATM.exists():
        yield
        return
    taken = int(STATM.read_text().split()[0]) * resource.getpagesize()
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    limits = [int(taken + free), *(limit for limit in (before, most) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
