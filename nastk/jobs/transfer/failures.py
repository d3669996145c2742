"""What becomes of a transfer's networks whose training fails: they are left out, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nastk.errors import UserError
from nastk.jobs.transfer.trainings import Sized
from nastk.runs.failed import FAILED, forget_failure, read_failure, write_failure
from nastk.training.failure import TrainingFailed

Result = TypeVar("Result")


def attempted(place: Path, train: Callable[[], Result]) -> tuple[Result | None, str | None]:
    """Returns what `train` gives and None, or None and why it fails, or failed before, which is kept in its folder.

    Raises:
        UserError: what `train` raises otherwise; a record of a failure is damaged or cannot be written.
    """
    reason = read_failure(place)
    if reason is None:
        try:
            return train(), None
        except TrainingFailed as error:
            reason = error.reason
        write_failure(place, reason)
    return None, reason


def again(place: Path) -> str:
    """Returns what to do for a training that failed to be tried again."""
    return f"delete {place / FAILED} to train it again"


class Failures:
    """The networks whose training diverged or ran out of memory, in this sitting or before."""

    def __init__(self) -> None:
        self._found: dict[Path, tuple[Sized, str]] = {}

    def __contains__(self, one: Sized) -> bool:
        return one.place in self._found

    def attempt(self, one: Sized, train: Callable[[], Result]) -> Result | None:
        """Returns what `train` gives; None where that fails, or failed before: that is told, and kept in its folder.

        Raises:
            UserError: what `train` raises otherwise; a record of a failure is damaged or cannot be written.
        """
        if one in self:
            return None
        found, reason = attempted(one.place, train)
        if reason is not None:
            self._found[one.place] = one, reason
            told = f"{one.told} because its training failed: {reason}"
            print(f"transfer: left out: {told}; {again(one.place)}", file=sys.stderr)
        return found

    def none_left(self) -> UserError:
        """Returns what to raise where all have failed; the same command, or one with other settings, tries all again.

        At least one has failed.
        """
        for place in self._found:
            forget_failure(place)
        first, reason = next(iter(self._found.values()))
        if len(self._found) == 1:
            return TrainingFailed(first.place, reason)
        return UserError(f"transfer: none of {len(self._found)} networks gave a result; {first.told}: {reason}")
