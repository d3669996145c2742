"""Where a study is kept: a journal in the run folder, a PostgreSQL database, or a proxy in front of one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from optuna.storages import BaseStorage

from nastk.errors import UserError

Opening = Callable[[Path], BaseStorage]
"""Opens the storage for a run folder."""


@dataclass(frozen=True)
class Sharing:
    """How drivers share a study.

    Attributes:
        study: its name; None for the run's.
        heartbeat: seconds between two signs of life of a driver.
        grace: seconds without one after which it counts as dead.
        patience: seconds to wait for a storage that is away, before the search ends.

    Raises:
        UserError: a number out of range.
    """

    study: str | None = None
    heartbeat: int = 10
    grace: int = 60
    patience: int = 300

    def __post_init__(self) -> None:
        if self.heartbeat < 1:
            raise UserError(f"storage.heartbeat={self.heartbeat}: expected at least 1 second")
        if self.grace < 2 * self.heartbeat:
            raise UserError(
                f"storage.grace={self.grace}: expected at least twice storage.heartbeat={self.heartbeat}, "
                "or one late sign of life would pass for a death"
            )
        if self.patience < 0:
            raise UserError(f"storage.patience={self.patience}: expected at least 0 seconds")
        if self.study is not None and (not self.study.strip() or len(self.study) > 128):
            raise UserError(f"storage.study={self.study[:40]!r}: expected a name of 1 to 128 characters")


class Storage(Protocol):
    """Anything that a study can be kept in."""

    @property
    def sharing(self) -> Sharing | None:
        """How drivers share the study; None where there can be only one."""
        ...

    def connect(self) -> Opening:
        """Returns what opens the storage, before anything is written.

        Raises:
            UserError: it cannot be reached.
        """
        ...

    def answering(self) -> AbstractContextManager[None]:
        """Turns what a storage raises that no longer answers into a UserError."""
        ...
