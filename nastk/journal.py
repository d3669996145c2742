"""Optuna's journal file, which says by name what cannot be written, and is then as it was."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from nastk.files import cannot_write


class Journal(JournalFileBackend):
    """The journal of a run folder that one process holds.

    Args:
        path: of the file; is made where it is missing.

    Raises:
        UserError: it cannot be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(str(path))
        except OSError as error:
            raise cannot_write(path, error) from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends entries, on the disk when this returns.

        Raises:
            UserError: the file cannot be written, or the disk is full; it has none of the entries.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            super().append_logs(logs)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size)  # an entry cut short would spoil the next
            raise cannot_write(self._path, error) from None
