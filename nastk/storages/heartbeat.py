"""Signs of life of a driver that works on a shared study, and whose trials have had none for too long."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Protocol

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nastk.storages import Sharing
from nastk.storages.retrying import RetryingDatabase

ATTRIBUTE = "heartbeat"


class Pulse(Protocol):
    """Where signs of life are left."""

    def beat(self, trial_id: int) -> None:
        """Says that whoever works on the trial is alive."""
        ...

    def stale(self, study_id: int) -> list[int]:
        """Returns the open trials that have had no sign of life for too long."""
        ...


class DatabasePulse:
    """Optuna's own heartbeat: a time in the database, by the database's clock."""

    def __init__(self, storage: RetryingDatabase) -> None:
        self._storage = storage

    def beat(self, trial_id: int) -> None:
        """Writes the time."""
        self._storage.record_heartbeat(trial_id)

    def stale(self, study_id: int) -> list[int]:
        """Returns the trials whose time is too long ago."""
        return self._storage.stale_trials(study_id)


class AttributePulse:
    """A count in the trial's attributes, for storages that have no heartbeat, as Optuna's gRPC proxy.

    Whoever looks says by its own clock for how long the count has stood still: clocks need not agree, and may jump.
    """

    def __init__(self, storage: BaseStorage, grace: float) -> None:
        self._storage = storage
        self._grace = grace
        self._count = random.getrandbits(32)  # a driver that starts again does not stand where it died
        self._seen: dict[int, tuple[int | None, float]] = {}

    def beat(self, trial_id: int) -> None:
        """Counts on."""
        self._count += 1
        self._storage.set_trial_user_attr(trial_id, ATTRIBUTE, self._count)

    def stale(self, study_id: int) -> list[int]:
        """Returns the trials whose count has stood still, since this driver first saw it, for too long."""
        trials = self._storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [trial._trial_id for trial in trials if self._still(trial)]

    def _still(self, trial: FrozenTrial) -> bool:
        count = trial.user_attrs.get(ATTRIBUTE)
        now = time.monotonic()
        before = self._seen.get(trial._trial_id)
        if count is None or before is None or before[0] != count:
            self._seen[trial._trial_id] = (count, now)
            return False
        return now - before[1] > self._grace


class Heartbeat:
    """Leaves signs of life for a driver's open trials, from a thread of its own.

    Args:
        storage: of the study.
        sharing: how often.
    """

    def __init__(self, storage: BaseStorage, sharing: Sharing) -> None:
        self.pulse: Pulse
        if isinstance(storage, RetryingDatabase):
            self.pulse = DatabasePulse(storage)
        else:
            self.pulse = AttributePulse(storage, sharing.grace)
        self._interval = sharing.heartbeat
        self._trials: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def add(self, trial_id: int) -> None:
        """Gives a trial its first sign of life, and others from now on."""
        self.pulse.beat(trial_id)
        self._trials.add(trial_id)

    def remove(self, trial_id: int) -> None:
        """Ends that."""
        self._trials.discard(trial_id)

    def close(self) -> None:
        """Ends the thread, or leaves one that waits for the storage to the end of the process."""
        self._ended.set()
        self._thread.join(2)

    def _beat(self) -> None:
        while not self._ended.wait(self._interval):
            for trial_id in tuple(self._trials):
                with contextlib.suppress(Exception):  # the search itself finds out what is wrong with the storage
                    self.pulse.beat(trial_id)
