"""A study that several drivers work on at once: no key trained twice, no trial of a dead driver lost."""

from __future__ import annotations

import time
from collections.abc import Mapping

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.runs.trial_record import KEY, OUTCOME, row_of
from nastk.runs.trials import Row
from nastk.study.drivers import DriversStudy
from nastk.study.proposal import Outcome, Proposal
from nastk.study.pruning import EarlyStopping

CLAIMED = "claimed"  # of a trial: its driver trains the key, and nobody else
UNDER_WAY = "another driver is training it"


class SharedStudy(DriversStudy):
    """A study in a storage that other drivers use at the same time.

    Before a driver trains a key, it writes the key to its trial, then looks for open trials of others with the same
    key. One that has claimed the key, or has a lower number, goes first. A higher number that has not decided yet is
    waited for. Only then does it claim. Of two that want a key at least one looks after the other has written, so that
    the lower number yields to a claim, the higher to the lower, and two claims cannot be; any storage whose reads are
    fresh will do.
    """

    @property
    def in_flight_elsewhere(self) -> int:
        """How many candidates other drivers are training."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return sum(CLAIMED in trial.user_attrs and not self._mine(trial) for trial in trials)

    def duplicate_of(self, proposal: Proposal) -> Row | None:
        """Returns the row of the trial that has this key, finished or another driver's; None claims the key."""
        key, number = proposal.genotype.key, proposal.number
        try:
            proposal.trial.set_user_attr(KEY, key)
            while True:
                trials = self._refresh()
                finished = super().duplicate_of(proposal)
                if finished is not None:
                    return finished
                rivals = [trial for trial in trials if self._is_rival(trial, key)]
                first = next((trial for trial in rivals if CLAIMED in trial.user_attrs or trial.number < number), None)
                if first is not None:
                    return self._under_way(first, proposal)
                if not rivals:
                    proposal.trial.set_user_attr(CLAIMED, True)
                    return None
                time.sleep(0.05)
                self._take_over()
        except UpdateFinishedTrialError:
            return self._under_way(self._storage.get_trial(proposal.trial._trial_id), proposal)

    def early_stopping(self, proposal: Proposal, cost: Mapping[str, float]) -> EarlyStopping:
        """Returns what the candidate's epochs are reported to; it stops one that another driver took over."""
        return _Fenced(self.pruner, self.study, proposal.trial, self.objective, cost)

    def record_duplicate(self, proposal: Proposal, first: Row, seconds: float) -> Row:
        """Copies the result of the trial with the same key, where it has one already."""
        if first.reason != UNDER_WAY:
            return super().record_duplicate(proposal, first, seconds)
        reason = f"the same cell as trial {first.number}: {UNDER_WAY}"
        return self._record(proposal, Outcome("duplicate", {}, seconds, reason, told_as="failed"))

    def _is_rival(self, trial: FrozenTrial, key: str) -> bool:
        return trial.state == TrialState.RUNNING and trial.user_attrs.get(KEY) == key and not self._mine(trial)

    def _under_way(self, trial: FrozenTrial, proposal: Proposal) -> Row:
        if OUTCOME in trial.user_attrs:
            return row_of(trial)
        genotype = proposal.genotype
        return Row(trial.number, "failed", genotype.key, genotype.to_dict(), {}, 0.0, UNDER_WAY)

    def _record(self, proposal: Proposal, outcome: Outcome) -> Row:
        try:
            return super()._record(proposal, outcome)
        except UpdateFinishedTrialError:
            row = self._read(self._storage.get_trial(proposal.trial._trial_id))
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
        self._new_rows = [other for other in self._new_rows if other.number != row.number]
        return next((other for other in self.rows if other.number == row.number), row)

    def _is_finished(self, trial: Trial) -> bool:
        return self._storage.get_trial(trial._trial_id).state.is_finished()


class _Fenced(EarlyStopping):
    def should_stop(self, epoch: int, accuracy: float) -> str | None:
        try:
            return super().should_stop(epoch, accuracy)
        except UpdateFinishedTrialError:
            return "another driver took this one for dead"
