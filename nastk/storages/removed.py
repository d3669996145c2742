"""A study that somebody renames or removes while a search runs, which any dashboard on its storage can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from nastk.errors import UserError

GONE = ((), ("Record does not exist.",))  # arguments of the KeyError of Optuna's proxy, and of its other storages


@contextlib.contextmanager
def not_removed() -> Iterator[None]:
    """Turns what Optuna raises where the study is no longer there into a UserError."""
    try:
        yield
    except KeyError as error:
        if error.args not in GONE:
            raise
        raise UserError(
            "the study: another program renamed or removed it while the search was running; what trials.jsonl has "
            "stays, put the study back or give another run="
        ) from None
