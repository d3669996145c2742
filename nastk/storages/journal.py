"""A study in the run folder, for one driver."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from optuna.exceptions import UpdateFinishedTrialError

from nastk.errors import UserError
from nastk.storages import Opening, Sharing
from nastk.storages.journal_file import open_journal


@dataclass(frozen=True)
class JournalFile:
    """Optuna's journal, study.journal in the run folder."""

    @property
    def sharing(self) -> Sharing | None:
        """None: the run folder is held by one driver."""
        return None

    def connect(self) -> Opening:
        """Returns what repairs and opens the journal of a run folder."""
        return open_journal

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turns what another program did to the study, which a dashboard can, into a UserError."""
        try:
            yield
        except UpdateFinishedTrialError as error:
            raise UserError(
                f"study.journal: another program ended a trial that was under way ({str(error).rstrip('.')}); "
                "what was recorded is kept, the same command goes on without that trial"
            ) from None
