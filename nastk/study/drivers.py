"""A study whose trials belong to drivers, any of which may die: what it leaves open is taken over, or found again."""

from __future__ import annotations

import bisect
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.objective import Objective
from nastk.runs.trial_record import KEY, OUTCOME, row_of
from nastk.runs.trials import Row
from nastk.spaces import Space
from nastk.storages import Sharing
from nastk.storages.driver import DriverStorage
from nastk.storages.heartbeat import Heartbeat
from nastk.storages.joining import create_or_join
from nastk.study.proposal import Proposal
from nastk.study.pruning import Pruner
from nastk.study.study import SearchStudy

DRIVER = "driver"  # of a trial: who works on it
HISTORY = "retry_history"  # Optuna's word for the trials that a trial stands in for, here those of dead drivers
ATTEMPTS = 3  # a candidate that its driver dies of again and again is not handed on for ever
DIED = "its driver died"
NOT_NEEDED = "the search ended before it was trained"


class DriversStudy(SearchStudy):
    """A study that drivers share, each with trials of its own.

    A driver makes a trial its own in the moment in which it creates it, and gives signs of life for it. A trial without
    a sign of life is failed, which only one driver can do, and whatever its own driver should still write to it is
    refused. Its candidate goes on under a new number. So that every number has a row in the end, a trial whose driver
    died before it had proposed anything gets a proposal first; and one that a driver does not know, because the storage
    created it and died before it answered, is the driver's next.

    Args:
        storage: where the study lives.
        sampler: the controller.
        space: turns choices into genotypes.
        objective: turns metrics into the study's values.
        pruner: stops candidates early.
        name: the study's.
        driver: the same whenever this driver starts, and no other's: its open trials are then gone on with.
        sharing: how often it gives a sign of life.
        settings: what all drivers of the study must have in common.

    Raises:
        UserError: the study is of other settings, or none of nastk's.
    """

    lost = DIED

    def __init__(
        self,
        storage: BaseStorage,
        sampler: BaseSampler,
        space: Space,
        objective: Objective,
        pruner: Pruner | None,
        name: str,
        driver: str,
        sharing: Sharing,
        settings: Mapping[str, Any],
    ) -> None:
        self._driver = driver
        self._new_rows: list[Row] = []
        self._last_look = 0.0
        self._sharing = sharing
        self._known: set[int] = set()  # trials of this driver's, and others that were given a sign of life
        create_or_join(storage, name, objective.directions, settings)
        self._storage = DriverStorage(storage, {DRIVER: driver}, self._add)
        super().__init__(self._storage, sampler, space, objective, pruner, name)
        self._study_id = self._storage.get_study_id_from_name(name)
        self._heartbeat = Heartbeat(storage, sharing)
        for trial in self._open:
            self._add(trial._trial_id)

    def close(self) -> None:
        """Ends the signs of life."""
        self._heartbeat.close()

    def new_rows(self) -> Iterator[Row]:
        """Yields the rows of other drivers' trials that have ended since the last call."""
        self._refresh()
        while self._new_rows:
            yield self._new_rows.pop(0)

    def wait(self) -> None:
        """Waits a moment for other drivers."""
        time.sleep(0.5)
        self._take_over()

    def ask(self) -> Proposal:
        """Returns a candidate of this driver's that was interrupted, one of a dead driver's, or a new proposal."""
        self._take_over()
        while True:
            with contextlib.suppress(UpdateFinishedTrialError):  # another driver took this one for dead meanwhile
                return super().ask()

    def ended(self) -> Iterator[Row]:
        """Fails what this driver leaves open and yields the rows; waits for others that may have died, and theirs."""
        self._refresh()
        while self._open:
            with contextlib.suppress(UpdateFinishedTrialError):
                proposal = super().ask()
                row = proposal.row or self.record_stopped(proposal, "failed", {}, 0.0, NOT_NEEDED)
                yield self.finish(proposal, row)
        yield from self.new_rows()
        start, told = time.monotonic(), False
        while self._others and time.monotonic() - start < self._sharing.grace + 2 * self._sharing.heartbeat:
            if not told and time.monotonic() - start > 2 * self._sharing.heartbeat:
                numbers = ", ".join(str(trial.number) for trial in self._others)
                print(
                    f"nastk: waiting at most {self._sharing.grace} s for the drivers of trials {numbers}, "
                    "which end them or have died",
                    file=sys.stderr,
                    flush=True,
                )
                told = True
            time.sleep(min(0.5, self._sharing.heartbeat))
            self._take_over(requeue=False)
            yield from self.new_rows()

    @property
    def _others(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in trials if not self._mine(trial)]

    def _add(self, trial_id: int) -> None:
        self._known.add(trial_id)
        self._heartbeat.add(trial_id)

    def _mine(self, trial: FrozenTrial) -> bool:
        return trial.user_attrs.get(DRIVER) == self._driver

    def _remember(self, row: Row) -> None:
        if row.reason != NOT_NEEDED:
            super()._remember(row)

    def _refresh(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        known = {row.number for row in self.rows}
        for trial in trials:
            if trial.state == TrialState.RUNNING and self._mine(trial) and trial._trial_id not in self._known:
                self._add(trial._trial_id)  # the storage made it twice, and died before it answered the first time
                self._open.append(trial)
            row = self._read(trial) if trial.state.is_finished() and trial.number not in known else None
            if row is not None:
                bisect.insort(self.rows, row, key=lambda other: other.number)
                self._remember(row)
                self._new_rows.append(row)
        return trials

    def _take_over(self, requeue: bool = True) -> None:
        if time.monotonic() - self._last_look < self._sharing.heartbeat:
            return
        self._last_look = time.monotonic()
        for trial in self._others:
            self._give_first_sign(trial)
        for trial_id in self._heartbeat.pulse.stale(self._study_id):
            self._fail(trial_id)
        trials = self._refresh()
        successors = {number for trial in trials for number in trial.system_attrs.get(HISTORY, ())}
        for trial in trials if requeue else ():
            lost = trial.state == TrialState.FAIL and OUTCOME not in trial.user_attrs
            if lost and trial.number not in successors and self._read(trial) is not None:
                self._requeue(trial)

    def _give_first_sign(self, trial: FrozenTrial) -> None:
        """Its driver may have died before it gave one, without which the trial would never count as a dead driver's."""
        if KEY not in trial.user_attrs and trial._trial_id not in self._known:
            self._known.add(trial._trial_id)
            with contextlib.suppress(UpdateFinishedTrialError):
                self._heartbeat.pulse.beat(trial._trial_id)

    def _fail(self, trial_id: int) -> None:
        """Ends a trial that has had no sign of life for too long."""
        trial = self._storage.get_trial(trial_id)
        if trial.state.is_finished() or self._mine(trial):
            return
        if OUTCOME in trial.user_attrs:
            self._new_rows.append(self._finish(Trial(self.study, trial_id), row_of(trial)))
            return
        with contextlib.suppress(UpdateFinishedTrialError):
            if KEY not in trial.user_attrs:
                self._proposed(Trial(self.study, trial_id))
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _requeue(self, dead: FrozenTrial) -> None:
        """Goes on with a dead driver's candidate; should another driver do so too, one of the two is a duplicate."""
        history = [*dead.system_attrs.get(HISTORY, ()), dead.number]
        if len(history) < ATTEMPTS:
            notes = {**dead.system_attrs, "failed_trial": history[0], HISTORY: history}
            successor = optuna.create_trial(
                state=TrialState.RUNNING,
                params=dead.params,
                distributions=dead.distributions,
                system_attrs=notes,
            )
            self._open.append(self._storage.get_trial(self._storage.create_new_trial(self._study_id, successor)))
