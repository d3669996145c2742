"""Optuna's journal file: writes a proposal in one go, and names what cannot be written, which leaves it as it was."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend

from nastk.files import cannot_write
from nastk.storages.journal_lock import JournalLock

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
        self._journal_lock = JournalLock(path)
        try:
            super().__init__(str(path.absolute()), self._journal_lock)
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
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in self._choices + logs)
        try:
            with self._journal_lock.held(), self._path.open("r+b", buffering=0) as file:
                _append(file, lines.encode())
        except OSError as error:
            raise cannot_write(self._path, error) from None
        self._choices = []


def _append(file: BinaryIO, data: bytes) -> None:
    """Adds whole lines behind the last whole line; where they do not fit, the file ends with that."""
    end = last_end(file)
    try:
        file.truncate(end)  # takes off what a dashboard that was killed has left of a line
        file.seek(end)
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(end)
        raise


def last_end(file: BinaryIO) -> int:
    """Returns where the last whole line of a file ends, 0 where there is none."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
