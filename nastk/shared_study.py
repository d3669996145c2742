"""A study that several drivers work on at once: no key trained twice, no trial of a dead driver lost."""

from __future__ import annotations

import bisect
import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.objective import Objective
from nastk.pruning import EarlyStopping, Pruner
from nastk.recorded import KEY, OUTCOME, row_of
from nastk.rows import Row, State
from nastk.spaces import Space
from nastk.storages import Sharing
from nastk.storages.heartbeat import Heartbeat
from nastk.storages.joining import create_or_join
from nastk.study import Candidate, SearchStudy

DRIVER = "driver"  # of a trial: who works on it
CLAIMED = "claimed"  # of a trial: its driver trains the key, and nobody else
HISTORY = "retry_history"  # Optuna's word for the trials that a trial stands in for, here those of dead drivers
ATTEMPTS = 3  # a candidate that its driver dies of again and again is not handed on for ever
DIED = "its driver died"
UNDER_WAY = "another driver is training it"


class SharedStudy(SearchStudy):
    """A study in a storage that other drivers use at the same time.

    A driver makes a trial its own in the moment in which it creates it, and gives signs of life for it. Before it
    trains a key, it writes the key to its trial, then looks for open trials of others with the same key. One that has
    claimed the key, or has a lower number, goes first. A higher number that has not decided yet is waited for. Only
    then does it claim. Of two that want a key at least one looks after the other has written, so that the lower number
    yields to a claim, the higher to the lower, and two claims cannot be; any storage whose reads are fresh will do.

    A trial without a sign of life is failed, which only one driver can do, and whatever its own driver should still
    write to it is refused. Its candidate goes on under a new number.

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
        self._news: list[Row] = []
        self._last_look = 0.0
        self._interval = sharing.heartbeat
        create_or_join(storage, name, objective.directions, settings)
        super().__init__(storage, sampler, space, objective, pruner, name)
        self._storage = self.study._storage
        self._heartbeat = Heartbeat(self._storage, sharing)
        for trial in self._open:
            self._heartbeat.add(trial._trial_id)

    def close(self) -> None:
        """Ends the signs of life."""
        self._heartbeat.close()

    @property
    def elsewhere(self) -> int:
        """How many candidates other drivers are training."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return sum(CLAIMED in trial.user_attrs and not self._mine(trial) for trial in trials)

    def news(self) -> Iterator[Row]:
        """Yields the rows of other drivers' trials that have ended since the last call."""
        self._refresh()
        while self._news:
            yield self._news.pop(0)

    def wait(self) -> None:
        """Waits a moment for other drivers."""
        time.sleep(0.5)
        self._take_over()

    def ask(self) -> Candidate:
        """Returns a candidate of this driver's that was interrupted, one of a dead driver's, or a new proposal."""
        self._take_over()
        while True:
            with contextlib.suppress(UpdateFinishedTrialError):  # another driver took this one for dead meanwhile
                return super().ask()

    def twin(self, candidate: Candidate) -> Row | None:
        """Returns the row of the trial that has this key, finished or another driver's; None claims the key."""
        key, number = candidate.genotype.key, candidate.number
        try:
            candidate.trial.set_user_attr(KEY, key)
            while True:
                trials = self._refresh()
                finished = super().twin(candidate)
                if finished is not None:
                    return finished
                rivals = [trial for trial in trials if self._is_rival(trial, key)]
                first = next((trial for trial in rivals if CLAIMED in trial.user_attrs or trial.number < number), None)
                if first is not None:
                    return self._under_way(first, candidate)
                if not rivals:
                    candidate.trial.set_user_attr(CLAIMED, True)
                    return None
                time.sleep(0.05)
                self._take_over()
        except UpdateFinishedTrialError:
            return self._under_way(self._storage.get_trial(candidate.trial._trial_id), candidate)

    def early_stopping(self, candidate: Candidate, cost: Mapping[str, float]) -> EarlyStopping:
        """Returns what the candidate's epochs are reported to; it stops one that another driver took over."""
        return _Fenced(self.pruner, self.study, candidate.trial, self.objective, cost)

    def record_duplicate(self, candidate: Candidate, twin: Row, seconds: float) -> Row:
        """Copies the result of the trial with the same key, where it has one already."""
        if twin.reason != UNDER_WAY:
            return super().record_duplicate(candidate, twin, seconds)
        reason = f"the same cell as trial {twin.number}: {UNDER_WAY}"
        return self._record(candidate, "duplicate", {}, seconds, reason, like="failed")

    def _new_trial(self, **inherited: Any) -> Trial:
        template = optuna.create_trial(state=TrialState.RUNNING, user_attrs={DRIVER: self._driver}, **inherited)
        trial_id = self._storage.create_new_trial(self.study._study_id, template)
        self._heartbeat.add(trial_id)
        self.study._thread_local.cached_all_trials = None  # as `study.ask` does
        return Trial(self.study, trial_id)

    def _mine(self, trial: FrozenTrial) -> bool:
        return trial.user_attrs.get(DRIVER) == self._driver

    def _is_rival(self, trial: FrozenTrial, key: str) -> bool:
        return trial.state == TrialState.RUNNING and trial.user_attrs.get(KEY) == key and not self._mine(trial)

    def _under_way(self, trial: FrozenTrial, candidate: Candidate) -> Row:
        if OUTCOME in trial.user_attrs:
            return row_of(trial)
        genotype = candidate.genotype
        return Row(trial.number, "failed", genotype.key, genotype.to_dict(), {}, 0.0, UNDER_WAY)

    def _refresh(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        known = {row.number for row in self.rows}
        for trial in trials:
            row = self._read(trial) if trial.state.is_finished() and trial.number not in known else None
            if row is not None:
                bisect.insort(self.rows, row, key=lambda other: other.number)
                self._remember(row)
                self._news.append(row)
        return trials

    def _record(
        self,
        candidate: Candidate,
        state: State,
        metrics: Mapping[str, float],
        seconds: float,
        reason: str,
        like: str | None = None,
    ) -> Row:
        try:
            return super()._record(candidate, state, metrics, seconds, reason, like)
        except UpdateFinishedTrialError:
            row = self._read(self._storage.get_trial(candidate.trial._trial_id))
            assert row is not None
            return row

    def _finish(self, trial: Trial, row: Row) -> Row:
        self._heartbeat.remove(trial._trial_id)
        if not self._is_finished(trial):
            try:
                return super()._finish(trial, row)
            except (UpdateFinishedTrialError, ValueError):
                if not self._is_finished(trial):
                    raise
        self._refresh()  # another driver took this one for dead: what it made of the trial stands
        self._news = [other for other in self._news if other.number != row.number]
        return next((other for other in self.rows if other.number == row.number), row)

    def _is_finished(self, trial: Trial) -> bool:
        return self._storage.get_trial(trial._trial_id).state.is_finished()

    def _take_over(self) -> None:
        if time.monotonic() - self._last_look < self._interval:
            return
        self._last_look = time.monotonic()
        for trial_id in self._heartbeat.pulse.stale(self.study._study_id):
            trial = self._storage.get_trial(trial_id)
            if trial.state.is_finished() or self._mine(trial):
                continue
            if OUTCOME in trial.user_attrs:
                self._news.append(self._finish(Trial(self.study, trial_id), row_of(trial)))
                continue
            with contextlib.suppress(UpdateFinishedTrialError):
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        trials = self._refresh()
        successors = {number for trial in trials for number in trial.system_attrs.get(HISTORY, ())}
        for trial in trials:
            lost = trial.state == TrialState.FAIL and OUTCOME not in trial.user_attrs
            if lost and trial.number not in successors and self._read(trial) is not None:
                self._hand_on(trial)

    def _hand_on(self, dead: FrozenTrial) -> None:
        """Goes on with a dead driver's candidate; should another driver do so too, one of the two is a duplicate."""
        history = [*dead.system_attrs.get(HISTORY, ()), dead.number]
        if len(history) < ATTEMPTS:
            notes = {**dead.system_attrs, "failed_trial": history[0], HISTORY: history}
            trial = self._new_trial(params=dead.params, distributions=dead.distributions, system_attrs=notes)
            self._open.append(self._storage.get_trial(trial._trial_id))


class _Fenced(EarlyStopping):
    def should_stop(self, epoch: int, accuracy: float) -> str | None:
        try:
            return super().should_stop(epoch, accuracy)
        except UpdateFinishedTrialError:
            return "another driver took this one for dead"
