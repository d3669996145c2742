"""A machine of a board farm: what is known of it, and its lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nastk.deploy.runtimes.remote_result import RemoteResult

LOCKS = Path("~/.cache/nastk/hosts")


def lock_of(name: str) -> Path:
    """Returns the file that is locked by whoever measures on a device of that name, from this machine."""
    return LOCKS.expanduser() / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"


@dataclass(eq=False)
class Member:
    """A machine of a farm.

    Attributes:
        host: as ssh takes it.
        about: what it says of itself.
        rests_until: by the monotonic clock; it was busy or hot.
        used: when it was last given something.
        alike: whether a network was found to take as long on it as on the others, without doubt.
        doubts: at how many networks that could not be found out.
    """

    host: str
    about: RemoteResult
    rests_until: float = 0.0
    used: float = 0.0
    alike: bool = False
    doubts: int = 0

    @property
    def lock(self) -> Path:
        """The file that is locked by whoever measures on it, from this machine and under whatever name."""
        return lock_of(self.about.identity or self.host)
