"""Optuna's journal file: writes a proposal in one go, and names what cannot be written, which leaves it as it was."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from nastk.files import cannot_write

CHOICE = "param_value_internal"  # only an entry that sets a parameter of a trial has it


class Journal(JournalFileBackend):
    """The journal of a run folder that one process holds.

    A proposal's choices wait for the next entry of another kind, and go to the disk with it: some fifty entries, each
    brought to the disk by itself, took most of a proposal's time. Optuna's open trial knows them meanwhile. Those that
    a kill loses are chosen again as they were, for a choice depends on the seed and on finished trials.

    Args:
        path: of the file; is made where it is missing.

    Raises:
        UserError: it cannot be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._choices: list[dict[str, Any]] = []
        try:
            super().__init__(str(path.absolute()))  # or Optuna's lock, a link, would lead nowhere and never grow old
        except OSError as error:
            raise cannot_write(path, error) from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends entries, on the disk when this returns, but for choices, which wait.

        Raises:
            UserError: the file cannot be written, or the disk is full; it has none of the entries.
        """
        if all(CHOICE in log for log in logs):
            self._choices += logs
            return
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            super().append_logs(self._choices + logs)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size)  # an entry cut short would spoil the next
            raise cannot_write(self._path, error) from None
        self._choices = []
