"""Early stopping: Optuna's pruners for one objective, dominance at the same epoch for several."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from optuna.pruners import BasePruner, NopPruner
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nastk.errors import UserError
from nastk.objective import Objective

ACCURACIES = "accuracies"
DECISION = "verdict"  # its name in studies that can be gone on with


@dataclass(frozen=True)
class ParetoPruner:
    """Stops a candidate that enough finished ones dominate at its epoch, its fixed costs counted.

    Optuna's pruners compare one intermediate value, and raise where a study has several objectives. Here a candidate
    at epoch e is the point (accuracy after e epochs, costs), held against the same points of finished candidates:
    whoever is dominated by many of them now is unlikely to end on the front (the rank by dominance count of Fonseca
    and Fleming, ICGA 1993).

    Attributes:
        dominated_by: stops at so many; 1 is rash, since accuracies of early epochs are noisy.
        startup: never stops before so many candidates have finished.
        warmup: nor before so many epochs.

    Raises:
        UserError: a value below 1, or below 0 for `warmup`.
    """

    dominated_by: int = 4
    startup: int = 10
    warmup: int = 1

    def __post_init__(self) -> None:
        for name, least in (("dominated_by", 1), ("startup", 1), ("warmup", 0)):
            if getattr(self, name) < least:
                raise UserError(f"pruner.{name}={getattr(self, name)}: expected at least {least}")

    def dominators(
        self, accuracy: float, metrics: Mapping[str, float], epoch: int, finished: Sequence[FrozenTrial], on: Objective
    ) -> int:
        """Returns how many of the finished trials dominate the candidate after `epoch` epochs."""
        mine = _point(on, {**metrics, "accuracy": accuracy})
        count = 0
        for trial in finished:
            accuracies = trial.user_attrs.get(ACCURACIES, ())
            if len(accuracies) >= epoch:
                other = _point(on, {**trial.user_attrs["metrics"], "accuracy": accuracies[epoch - 1]})
                count += other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
        return count


Pruner = BasePruner | ParetoPruner


class EarlyStopping:
    """What one candidate's epochs are reported to.

    Args:
        pruner: Optuna's for one objective, `ParetoPruner` for several (or one).
        study: the study.
        trial: the candidate's.
        objective: that the study optimizes.
        cost: what the untrained candidate costs.
    """

    def __init__(
        self, pruner: Pruner, study: Study, trial: Trial, objective: Objective, cost: Mapping[str, float]
    ) -> None:
        self._pruner = pruner
        self._study = study
        self._trial = trial
        self._objective = objective
        self._cost = dict(cost)
        self._last = trial.storage.get_trial(trial._trial_id).last_step or 0  # above 0 where a kill interrupted it
        self.accuracies: list[float] = []

    def should_stop(self, epoch: int, accuracy: float) -> str | None:
        """Records the accuracy after `epoch` epochs (from 1); returns why to stop, or None to go on."""
        self.accuracies.append(accuracy)
        if isinstance(self._pruner, NopPruner):
            return None
        self._trial.set_user_attr(ACCURACIES, self.accuracies)
        if isinstance(self._pruner, ParetoPruner):
            return self._dominated(self._pruner, epoch, accuracy)
        if epoch < self._last:  # it went on from here before the kill; the pruner would judge the last epoch instead
            return None
        if epoch > self._last:
            self._trial.report(accuracy, epoch)
        return f"{type(self._pruner).__name__} after epoch {epoch}" if self._says_stop(self._pruner, epoch) else None

    def _says_stop(self, pruner: BasePruner, epoch: int) -> bool:
        """Asks Optuna's pruner once an epoch, kills or not: successive halving takes a second question for the next."""
        storage, identity = self._trial.storage, self._trial._trial_id
        trial = storage.get_trial(identity)
        decision = trial.user_attrs.get(DECISION)
        if decision is None or decision["epoch"] != epoch:
            notes = _StorageOfOne(storage, identity)
            study = copy.copy(self._study)
            study._storage = cast(BaseStorage, notes)
            decision = {"epoch": epoch, "stop": bool(pruner.prune(study, trial)), "notes": notes.taken}
            if notes.taken:
                self._trial.set_user_attr(DECISION, decision)
        for key, value in decision["notes"].items():
            storage.set_trial_system_attr(identity, key, value)
        return bool(decision["stop"])

    def _dominated(self, pruner: ParetoPruner, epoch: int, accuracy: float) -> str | None:
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        finished = [trial for trial in trials if trial.user_attrs.get("state") == "complete"]
        if len(finished) < pruner.startup or epoch <= pruner.warmup:
            return None
        count = pruner.dominators(accuracy, self._cost, epoch, finished, self._objective)
        return f"dominated by {count} finished candidates after epoch {epoch}" if count >= pruner.dominated_by else None


class _StorageOfOne:
    """A storage as a pruner sees it that judges one trial.

    It keeps back what the pruner notes on that trial, to be written with the decision, and hides the other trials that
    are under way: how far these have come is a matter of chance, and the decision must not be.
    """

    def __init__(self, storage: BaseStorage, judged: int) -> None:
        self._storage = storage
        self._judged = judged
        self.taken: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Returns the finished trials and the one that is judged."""
        trials = self._storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [trial for trial in trials if trial.state.is_finished() or trial._trial_id == self._judged]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keeps the note; a pruner writes to the trial that it judges alone."""
        self.taken[key] = value


def check_pruner(pruner: object, objective: Objective) -> Pruner:
    """Returns the pruner if it can serve the objective.

    Raises:
        UserError: it is no pruner, or one of Optuna's with several objectives, or the objective has no accuracy.
    """
    if not isinstance(pruner, BasePruner | ParetoPruner):
        raise UserError(
            f"pruner: {type(pruner).__name__}, expected an Optuna pruner or nastk.study.pruning.ParetoPruner"
        )
    if isinstance(pruner, NopPruner):
        return pruner
    factor = getattr(pruner, "_reduction_factor", 2)  # Optuna's Hyperband finds a wrong one at the first report only
    if factor < 2:
        raise UserError(f"pruner.reduction_factor={factor}: expected at least 2")
    if "accuracy" not in objective.maximize:
        raise UserError("pruner: stops by accuracy, which the objective does not maximize; use pruner=none")
    if isinstance(pruner, BasePruner) and len(objective.names) > 1:
        name = type(pruner).__name__
        raise UserError(f"pruner: {name} serves one objective, there are {len(objective.names)}; use pruner=pareto")
    return pruner


def _point(objective: Objective, metrics: Mapping[str, float]) -> list[float]:
    values = objective.values(metrics)
    return [
        -value if direction == "maximize" else value
        for value, direction in zip(values, objective.directions, strict=True)
    ]
