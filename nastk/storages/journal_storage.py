"""Where a study is kept: a journal in the run folder, which whoever opens it repairs first, or refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from optuna.storages import JournalStorage

from nastk.errors import UserError
from nastk.files import cannot_write
from nastk.outside import ROWS, read_bytes
from nastk.runs.trial_record import OUTCOME
from nastk.storages.journal_lines import Journal
from nastk.storages.journal_lock import JournalLock

JOURNAL = "study.journal"
FINISH, FINISHED = 6, (1, 2, 3)  # Optuna's entry that changes a trial's state, and the states that end it
ENTRY = b'{"op_code":'  # how each of its entries begins


def journal(folder: Path) -> JournalStorage:
    """Opens the study's journal in a run folder that this process holds, or makes it.

    A last line that a kill left unfinished is cut off first, and said.

    Raises:
        UserError: it is damaged elsewhere, lacks trials that trials.jsonl has, holds entries that Optuna does not know,
            or cannot be read or written; nothing is changed then.
    """
    path = folder / JOURNAL
    mended = mend_journal(folder)
    if mended is not None:
        print(f"nastk: {mended}", file=sys.stderr)
    try:
        return JournalStorage(Journal(path))
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise UserError(f"{path}: damaged, or no journal of Optuna's; put back a copy, or give another run=") from None


def mend_journal(folder: Path) -> str | None:
    """Checks the study's journal before Optuna reads it, and cuts off a last line that a kill left unfinished.

    Returns:
        what was mended, or None.

    Raises:
        UserError: the journal is damaged elsewhere, or lacks trials that trials.jsonl has; nothing is changed then.
    """
    path = folder / JOURNAL
    reported = _row_count(folder / "trials.jsonl")
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
            return _mend(path, reported)
    except OSError as error:
        raise cannot_write(path, error) from None


def _mend(path: Path, reported: int) -> str | None:
    data = _read(path)
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


def _row_count(path: Path) -> int:
    return sum(1 for line in _read(path).split(b"\n")[:-1] if line.strip()) if path.exists() else 0


def _read(path: Path) -> bytes:
    return read_bytes(path, ROWS)
