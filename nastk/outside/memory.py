"""How much memory is free for what is read from outside: on the machine, and in the container that has a limit."""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATM = Path("/proc/self/statm")
MEMINFO = Path("/proc/meminfo")
GROUPS = Path("/sys/fs/cgroup")  # version 2, as seen from within a container


def free_memory() -> float:
    """Returns the bytes that may still be taken without swapping; infinity where the system does not say."""
    return min(_of_the_machine(), _of_the_container())


@contextmanager
def no_more_than_is_free() -> Iterator[None]:
    """Lets this process take no more memory than is free now: what asks for more fails, not the whole machine."""
    free = free_memory()
    if free == math.inf or not STATM.exists():
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


def _of_the_machine() -> float:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return math.inf
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), math.inf)


def _of_the_container() -> float:
    try:
        limit, used = ((GROUPS / name).read_text().strip() for name in ("memory.max", "memory.current"))
        lines = (GROUPS / "memory.stat").read_text().splitlines()
    except OSError:
        return math.inf
    if limit == "max":
        return math.inf
    given_back = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return max(0, int(limit) - int(used) + given_back)
