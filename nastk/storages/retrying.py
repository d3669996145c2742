"""Tries the calls of a storage again that is away for a while: a search of days outlives a restart of its database."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from optuna.storages import BaseStorage, RDBStorage, get_storage

from nastk.storages.delegating import DelegatingStorage

PAUSE_SECONDS = 1.0
T = TypeVar("T")


@dataclass(frozen=True)
class Retry:
    """How long a call is tried again.

    Attributes:
        is_away: whether an exception says that the storage does not answer for now.
        seconds: how long to try; then the exception is raised.
        where: the storage, for the message.
    """

    is_away: Callable[[Exception], bool]
    seconds: int
    where: str
    _away: threading.Event = field(default_factory=threading.Event)  # said once, whichever threads wait

    def __call__(self, call: Callable[..., T], *given: Any) -> T:
        """Returns what a call returns, tried again while the storage is away."""
        start = None
        while True:
            try:
                answer = call(*given)
                self._away.clear()
                return answer
            except Exception as error:
                if not self.is_away(error):
                    raise
                start = time.monotonic() if start is None else start
                if not self._away.is_set():
                    self._away.set()
                    said = f"nastk: {self.where} does not answer; trying again for {self.seconds} s"
                    print(said, file=sys.stderr, flush=True)
                if time.monotonic() - start > self.seconds:
                    raise
                time.sleep(PAUSE_SECONDS)


class RetryingStorage(DelegatingStorage):
    """Tries each call again while the storage behind it is away.

    A call may be carried out twice, where the connection broke before the answer. A second new trial is one that its
    driver does not know: `SharedStudy` finds it; what is written twice is the same; a second end of a trial is refused.

    Args:
        storage: that is handed on to.
        retry: how long a call is tried again.
    """

    def __init__(self, storage: BaseStorage, retry: Retry) -> None:
        super().__init__(storage)
        self._retry = retry

    def _call(self, method: Callable[..., T], *given: Any) -> T:
        return self._retry(method, *given)


class RetryingDatabase(RetryingStorage):
    """A database with Optuna's cache before it, and its signs of life of trials.

    Args:
        database: made with a heartbeat and a grace period.
        retry: how long a call is tried again.
    """

    def __init__(self, database: RDBStorage, retry: Retry) -> None:
        super().__init__(get_storage(database), retry)
        self.database = database

    def record_heartbeat(self, trial_id: int) -> None:
        """Writes the time, by the database's clock, as the trial's last sign of life."""
        self._call(self.database.record_heartbeat, trial_id)

    def stale_trials(self, study_id: int) -> list[int]:
        """Returns the open trials whose last sign of life is longer ago than the grace period."""
        # Optuna's public `fail_stale_trials` ends them at once, a result that is recorded and not told among them.
        return self._call(self.database._get_stale_trial_ids, study_id)
