"""The study of a search: every candidate an Optuna trial, resumed where it was killed, no key trained twice."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.errors import UserError
from nastk.events import TRAINED
from nastk.genotype import Genotype
from nastk.objective import Objective, Violation, is_finite
from nastk.runs.trial_record import COST, OUTCOME, VIOLATION, lost_row, record_row, row_of, told_state
from nastk.runs.trials import Row, State
from nastk.spaces import Space, Value
from nastk.study.fitted import FittedCandidates
from nastk.study.proposal import Outcome, Proposal
from nastk.study.pruning import EarlyStopping, Pruner

STUDY_NAME = "search"

OPTUNA_STATE: dict[str, TrialState] = {
    "complete": TrialState.COMPLETE,
    "rejected": TrialState.PRUNED,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class SearchStudy:
    """The Optuna study of a search and what has been learnt from it.

    Args:
        storage: where the study lives.
        sampler: the controller.
        space: turns choices into genotypes.
        objective: turns metrics into the study's values.
        pruner: stops candidates early; none by default.
        name: the study's.

    Raises:
        UserError: the storage holds a study with other objectives, or a finished trial without its result.
    """

    lost = "another program ended it"  # the reason of a trial that has no result

    def __init__(
        self,
        storage: BaseStorage,
        sampler: BaseSampler,
        space: Space,
        objective: Objective,
        pruner: Pruner | None = None,
        name: str = STUDY_NAME,
    ) -> None:
        self.space = space
        self.objective = objective
        self.pruner = pruner or NopPruner()
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=sampler,
            pruner=self.pruner if isinstance(self.pruner, BasePruner) else NopPruner(),
            directions=objective.directions,
            load_if_exists=True,
        )
        expected = [StudyDirection[name.upper()] for name in objective.directions]
        if self.study.directions != expected:
            found = [direction.name.lower() for direction in self.study.directions]
            raise UserError(
                f"the study has the objectives {found}, this command {objective.directions}; give another run="
            )
        trials = self.study.get_trials(deepcopy=False)
        rows = [self._read(trial) for trial in trials if trial.state.is_finished()]
        self.rows: list[Row] = [row for row in rows if row is not None]
        self._seen: dict[str, Row] = {}
        for row in self.rows:
            self._remember(row)
        self.candidates = FittedCandidates(trials)
        self._open = [trial for trial in trials if trial.state == TrialState.RUNNING and self._mine(trial)]

    def close(self) -> None:
        """Ends what the study has running beside the search: nothing, where no other driver uses it."""

    @property
    def trained(self) -> int:
        """How many different candidates were trained to a result."""
        return sum(row.state in TRAINED for row in self.rows)

    @property
    def rows_with_outcome(self) -> list[Row]:
        """The rows of all trials that have their outcome, the study having been told of it or not."""
        return self.rows + [row_of(trial) for trial in self._open if OUTCOME in trial.user_attrs]

    @property
    def in_flight_elsewhere(self) -> int:
        """How many candidates other drivers are training: none, where no other driver uses the study."""
        return 0

    def new_rows(self) -> Iterator[Row]:
        """Yields the rows of other drivers' trials that have ended since the last call."""
        return iter(())

    def wait(self) -> None:
        """Waits a moment for other drivers."""

    @property
    def interrupted(self) -> bool:
        """Whether there are trials that a kill interrupted; `ask` returns these first."""
        return bool(self._open)

    @property
    def has_untold_results(self) -> bool:
        """Whether there are trained candidates among these whose result was recorded and not told."""
        return any(OUTCOME in trial.user_attrs for trial in self._open)

    def unfinished(self) -> Iterator[Row]:
        """Finishes untrained trials that had their outcome but were killed before the study took it; yields the rows.

        Trained ones are left to `ask`, for the others that were trained beside them may have no result yet.
        """
        for trial in [trial for trial in self._open if OUTCOME in trial.user_attrs and COST not in trial.user_attrs]:
            self._open.remove(trial)
            yield self._finish(Trial(self.study, trial._trial_id), row_of(trial))

    def ask(self) -> Proposal:
        """Returns the controller's next proposal; those that a kill interrupted come first, under their old numbers."""
        if self._open:
            trial = Trial(self.study, self._open.pop(0)._trial_id)
        else:
            trial = self._new_trial()

        genotype = self.candidates.of(trial, self._proposed(trial))
        known = trial.user_attrs
        row = row_of(trial.storage.get_trial(trial._trial_id)) if OUTCOME in known else None
        return Proposal(trial, genotype, known.get(COST), row)

    def accept(self, proposal: Proposal, cost: Mapping[str, float]) -> None:
        """Records that a candidate will be trained, and its cost: measured once, whatever interrupts the training."""
        proposal.trial.set_user_attr(COST, dict(cost))

    def duplicate_of(self, proposal: Proposal) -> Row | None:
        """Returns the row of an earlier trial with the same key, or None."""
        return self._seen.get(proposal.genotype.key)

    def early_stopping(self, proposal: Proposal, cost: Mapping[str, float]) -> EarlyStopping:
        """Returns what the candidate's epochs are reported to."""
        return EarlyStopping(self.pruner, self.study, proposal.trial, self.objective, cost)

    def record_complete(self, proposal: Proposal, metrics: Mapping[str, float], seconds: float) -> Row:
        """Records a trained candidate; metrics that are not finite make it a failed one."""
        if not is_finite(metrics):
            bad = ", ".join(f"{name}={value}" for name, value in metrics.items() if not is_finite({name: value}))
            finite = {name: value for name, value in metrics.items() if is_finite({name: value})}
            return self._record(proposal, Outcome("failed", finite, seconds, f"not a finite number: {bad}"))
        self.objective.values(metrics)
        return self._record(proposal, Outcome("complete", metrics, seconds))

    def record_duplicate(self, proposal: Proposal, first: Row, seconds: float) -> Row:
        """Copies the result of an earlier trial with the same key."""
        why = f" ({first.state}: {first.reason})" if first.reason else ""
        reason = f"the same cell as trial {first.number}{why}"
        if first.state == "rejected":
            trial = self.study.get_trials(deepcopy=False)[first.number]
            proposal.trial.set_user_attr(VIOLATION, trial.user_attrs[VIOLATION])
        return self._record(proposal, Outcome("duplicate", first.metrics, seconds, reason, told_as=first.state))

    def record_rejected(
        self, proposal: Proposal, cost: Mapping[str, float], violation: Violation, seconds: float
    ) -> Row:
        """Records a candidate that breaks a limit and was not trained."""
        proposal.trial.set_user_attr(VIOLATION, violation.amount)
        return self._record(proposal, Outcome("rejected", cost, seconds, violation.reason))

    def record_stopped(
        self, proposal: Proposal, state: State, metrics: Mapping[str, float], seconds: float, reason: str
    ) -> Row:
        """Records a candidate that was pruned or failed, and why."""
        return self._record(proposal, Outcome(state, metrics, seconds, reason))

    def finish(self, proposal: Proposal, row: Row) -> Row:
        """Tells the study what was recorded of a candidate: from here on the controller learns from it."""
        return self._finish(proposal.trial, row)

    def ended(self) -> Iterator[Row]:
        """Yields the rows of trials that the end of the search leaves open, where other drivers wait for them.

        A journal's are kept: the same command goes on with them, as an unbroken search would have.
        """
        return iter(())

    def _proposed(self, trial: Trial) -> Genotype:
        """Returns the trial's genotype; the controller makes the choices that it does not have yet."""

        def choose(name: str, options: Any) -> Any:
            return trial.suggest_categorical(name, tuple(options))

        return self.space.genotype(choose)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever asked for."""
        return not self.study.get_trials(deepcopy=False)

    def ask_first(self, points: Sequence[Mapping[str, Value]]) -> None:
        """Has the choices of each point proposed before any of the controller's; those that were asked for are not."""
        for point in points:
            self.study.enqueue_trial(dict(point), skip_if_exists=True)

    def _new_trial(self) -> Trial:
        return self.study.ask()

    def _mine(self, trial: FrozenTrial) -> bool:
        return True

    def _read(self, trial: FrozenTrial) -> Row | None:
        return row_of(trial) if OUTCOME in trial.user_attrs else lost_row(trial, self.space, self.lost)

    def _record(self, proposal: Proposal, outcome: Outcome) -> Row:
        trial, genotype = proposal.trial, proposal.genotype
        row = Row(
            *(trial.number, outcome.state, genotype.key, genotype.to_dict(), dict(outcome.metrics)),
            *(outcome.seconds, outcome.reason, dict(trial.params)),
        )
        record_row(trial, row, outcome.told_as or outcome.state)
        return row

    def _finish(self, trial: Trial, row: Row) -> Row:
        state = OPTUNA_STATE[told_state(trial)]
        values = self.objective.values(row.metrics) if state == TrialState.COMPLETE else None
        self.study.tell(trial, values, state=state)
        bisect.insort(self.rows, row, key=lambda other: other.number)  # trials of one round end in any order
        self._remember(row)
        return row

    def _remember(self, row: Row) -> None:
        if row.state != "duplicate" and row.reason != self.lost:
            self._seen.setdefault(row.key, row)
