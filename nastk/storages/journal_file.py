"""study.journal, where Optuna keeps a study: entries are added whole, and whoever opens it repairs it, or refuses."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nastk.errors import UserError
from nastk.files import cannot_write
from nastk.outside import ROWS, read_bytes
from nastk.runs.folder import JOURNAL
from nastk.runs.trial_record import OUTCOME
from nastk.runs.trials import TRIALS, count_lines
from nastk.storages.journal_lock import JournalLock

CHOICE = "param_value_internal"  # only an entry that sets a parameter of a trial has it
FINISH, FINISHED = 6, (1, 2, 3)  # Optuna's entry that changes a trial's state, and the states that end it
ENTRY = b'{"op_code":'  # how each of its entries begins


def open_journal(folder: Path) -> JournalStorage:
    """Opens the study's journal in a run folder that this process holds, or makes it.

    A last line that a kill left unfinished is cut off first, and said.

    Raises:
        UserError: it is damaged elsewhere, lacks trials that trials.jsonl has, holds entries that Optuna does not know,
            or cannot be read or written; nothing is changed then.
    """
    path = folder / JOURNAL
    repaired = repair_journal(folder)
    if repaired is not None:
        print(f"nastk: {repaired}", file=sys.stderr)
    try:
        return JournalStorage(Journal(path))
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise UserError(f"{path}: damaged, or no journal of Optuna's; put back a copy, or give another run=") from None


def repair_journal(folder: Path) -> str | None:
    """Checks the study's journal before Optuna reads it, and cuts off a last line that a kill left unfinished.

    Returns:
        what was repaired, or None.

    Raises:
        UserError: the journal is damaged elsewhere, or lacks trials that trials.jsonl has; nothing is changed then.
    """
    path = folder / JOURNAL
    reported = count_lines(folder / TRIALS)
    if not path.exists():
        if reported:
            raise UserError(
                f"{path}: missing, but trials.jsonl has {reported} trials; put it back, or give another run="
            )
        return None
    for left in folder.glob(f"{JOURNAL}.lock*.rename"):  # by a process that was killed while it let go of its lock
        left.unlink(missing_ok=True)
    try:
        with JournalLock(path).held():  # or the last line may be one that a dashboard is writing
            return _repair(path, reported)
    except OSError as error:
        raise cannot_write(path, error) from None


def _repair(path: Path, reported: int) -> str | None:
    data = read_bytes(path, ROWS)
    *lines, rest = data.split(b"\n")
    results = {_trial_with_result(line, f"{path}: line {number}") for number, line in enumerate(lines, start=1)}
    finished = len(results - {None})
    begun = rest.rstrip(b"\0")  # which a file system may put where it had no time to write
    if not (begun.startswith(ENTRY) or ENTRY.startswith(begun)):
        raise UserError(f"{path}: line {len(lines) + 1} is damaged; put back a copy, or give another run=")
    if finished < reported:
        raise UserError(
            f"{path}: cut short, it has {finished} finished trials where trials.jsonl has {reported}; "
            "put back a copy, or give another run="
        )
    if not rest:
        return None
    with path.open("r+b") as file:
        file.truncate(len(data) - len(rest))
    return f"the last line of {path.name} was unfinished ({len(rest)} bytes, left by a kill): taken off"


def _trial_with_result(line: bytes, where: str) -> int | None:
    """Returns the id of the trial that an entry gives its result, or ends: the one stands where a kill cost the other.

    None for another entry.
    """
    try:
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise ValueError
        ends = entry.get("op_code") == FINISH and entry.get("state") in FINISHED
        return int(entry["trial_id"]) if ends or OUTCOME in entry.get("user_attr", ()) else None
    except (ValueError, RecursionError, TypeError, LookupError):
        raise UserError(f"{where} is damaged; put back a copy, or give another run=") from None


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
