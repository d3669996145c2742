"""How much memory a process may still take: what the system has, and what the container's limit leaves of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

GIGABYTE = 1e9
# Files that name a limit, what is used of it, and the part of that which the system gives back when asked.
LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(system: Path = Path("/")) -> int | None:
    """Returns bytes that can be taken without swapping or being killed, None where the system does not tell.

    Args:
        system: the root of the file system in which `proc` and `sys` lie.
    """
    found = [_available(system / "proc/meminfo"), *(left for left in _left_by_limits(system))]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def _available(meminfo: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left_by_limits(system: Path) -> Iterator[int]:
    """Yields what the limit of each control group that this process is in leaves, its own and those above it."""
    for folder in _groups(system):
        for limit, used, reclaimable in LIMITS:
            with contextlib.suppress(OSError, ValueError):
                most = (folder / limit).read_text().strip()
                if most == "max" or int(most) >= 1 << 60:
                    continue
                taken = int((folder / used).read_text())
                yield max(int(most) - taken + _stat(folder / "memory.stat", reclaimable), 0)


def _groups(system: Path) -> Iterator[Path]:
    root = system / "sys/fs/cgroup"
    with contextlib.suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            top = root / "memory" if "memory" in controllers.split(",") else root
            if controllers and top == root:
                continue
            folder = top / path.lstrip("/")
            yield from (place for place in (folder, *folder.parents) if place.is_relative_to(top))


def _stat(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
