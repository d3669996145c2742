"""Where a study is kept: a journal in the run folder."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import JournalStorage

from nastk.errors import UserError
from nastk.journal import Journal


def journal(folder: Path) -> JournalStorage:
    """Opens the study's journal in a run folder, or makes it.

    Raises:
        UserError: it holds entries that Optuna does not know, or cannot be written.
    """
    path = folder / "study.journal"
    try:
        return JournalStorage(Journal(path))
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged, or no journal of Optuna's; put back a copy, or give another run=") from None
