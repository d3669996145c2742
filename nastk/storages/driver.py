"""What a driver sees of a storage that it shares: new trials are its own, from the moment in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nastk.storages.delegating import DelegatingStorage


class DriverStorage(DelegatingStorage):
    """Marks each new trial as the driver's, and gives it no trial that another program has queued.

    Args:
        storage: that the drivers share.
        attributes: of each trial that this one makes.
        made: is called with the id of each of these, before anything else is done with it.
    """

    def __init__(self, storage: BaseStorage, attributes: Mapping[str, Any], made: Callable[[int], None]) -> None:
        super().__init__(storage)
        self._attributes = dict(attributes)
        self._made = made

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        template = template_trial or optuna.create_trial(state=TrialState.RUNNING)
        for name, value in self._attributes.items():
            template.set_user_attr(name, value)
        trial_id = super().create_new_trial(study_id, template)
        self._made(trial_id)
        return trial_id

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):  # `study.ask` would take one of these, which has no driver
            return []
        return super().get_all_trials(study_id, deepcopy, states)
