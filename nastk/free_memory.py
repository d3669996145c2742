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
    found = [_told(system / "proc/meminfo", "MemAvailable"), *(left for left in _left_by_limits(system))]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def all_memory(system: Path = Path("/")) -> int | None:
    """Returns bytes that there are: the system's, or the least limit of a control group; None where it is not told."""
    limits = (most for folder in control_groups(system) for names in LIMITS if (most := _limit(folder / names[0])))
    known = [value for value in (_told(system / "proc/meminfo", "MemTotal"), *limits) if value is not None]
    return min(known) if known else None


def _told(meminfo: Path, name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in meminfo.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _left_by_limits(system: Path) -> Iterator[int]:
    """Yields what the limit of each control group that this process is in leaves, its own and those above it."""
    for folder in control_groups(system):
        for limit, used, reclaimable in LIMITS:
            with contextlib.suppress(OSError, ValueError):
                most = _limit(folder / limit)
                if most is None:
                    continue
                taken = int((folder / used).read_text())
                yield max(most - taken + _stat(folder / "memory.stat", reclaimable), 0)


def _limit(path: Path) -> int | None:
    """Returns the limit in a file, None where there is none."""
    with contextlib.suppress(OSError, ValueError):
        most = path.read_text().strip()
        return None if most == "max" or int(most) >= 1 << 60 else int(most)
    return None


def control_groups(system: Path = Path("/")) -> Iterator[Path]:
    """Yields the folders of the control groups that this process is in, those above each after it."""
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
