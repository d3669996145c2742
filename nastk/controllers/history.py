"""What controllers read of a study: its finished trials as small records, in order of their numbers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nastk.controllers.options import hashable, options, stands_for

Choices = Mapping[str, Any]
Key = tuple[tuple[str, Hashable], ...]
Stamp = tuple[datetime | None, tuple[float, ...], list[float] | None]


@dataclass(frozen=True)
class Record:
    """A finished trial.

    Attributes:
        number: the trial's.
        choices: the option that was taken by name, in the order they were asked for.
        options: the finite options that each choice had.
        values: what came out, every value the larger the better; None where it failed or was rejected.
        violation: 0 where it kept all limits, else by how much it broke them.
        duplicate: its values were copied from an earlier trial of the same network.
    """

    number: int
    choices: Choices
    options: Mapping[str, tuple[Any, ...]]
    values: tuple[float, ...] | None
    violation: float = 0.0
    duplicate: bool = False

    @property
    def score(self) -> float | None:
        """The value, where there is one objective."""
        return self.values[0] if self.values else None

    @cached_property
    def key(self) -> Key:
        """Equal for equal choices."""
        return key(self.choices)


def key(choices: Choices) -> Key:
    """Returns a hashable value that is equal for equal choices, in whatever order they were made."""
    return tuple((name, hashable(choices[name])) for name in sorted(choices))


class History:
    """The records of a study, read again only where a trial has finished since."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Stamp, Record]] = {}

    def __reduce__(self) -> tuple[type[History], tuple[()]]:
        # Nothing but what a study says: a copy reads it there.
        return History, ()

    def finished(self, study: Study, before: FrozenTrial) -> list[Record]:
        """Returns the records of all finished trials but `before`, in order of their numbers."""
        signs = tuple(1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in study.directions)
        records = []
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished() or trial.number == before.number:
                continue
            known = self._read.get(trial.number)
            # What tells a trial of another study with the same number, should a sampler serve two studies, even where
            # one has copies of the other's trials.
            stamp: Stamp = (trial.datetime_complete, signs, trial.values)
            if known is None or known[0] != stamp:
                known = (stamp, _record(trial, signs))
                self._read[trial.number] = known
            records.append(known[1])
        records.sort(key=lambda record: record.number)
        return records


def running(study: Study, before: FrozenTrial) -> list[Key]:
    """Returns the choices of unfinished trials with smaller numbers, so as not to propose them again."""
    states = (TrialState.RUNNING,)
    trials = study.get_trials(deepcopy=False, states=states)
    made = [choices_of(trial)[0] for trial in trials if trial.number < before.number]
    return [key(choices) for choices in made if choices]


def choices_of(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Returns which options a trial took and which there were, by name; parameters without finite ones are left out."""
    choices, found = {}, {}
    for name, value in trial.params.items():
        among = options(trial.distributions[name])
        index = None if among is None else stands_for(among, value)
        if among is not None and index is not None:
            choices[name], found[name] = among[index], among
    return choices, found


def _record(trial: FrozenTrial, signs: Sequence[float]) -> Record:
    choices, found = choices_of(trial)
    values = _values(trial, signs)
    broken = float(trial.user_attrs.get("violation", 0.0)) + sum(
        max(0.0, value) for value in trial.constraints.values()
    )
    return Record(
        number=trial.number,
        choices=choices,
        options=found,
        values=values,
        violation=broken if math.isfinite(broken) else math.inf,
        duplicate=trial.user_attrs.get("state") == "duplicate",
    )


def _values(trial: FrozenTrial, signs: Sequence[float]) -> tuple[float, ...] | None:
    found: Sequence[float] | None = None
    if trial.state == TrialState.COMPLETE:
        found = trial.values
    elif trial.state == TrialState.PRUNED and len(signs) == 1 and trial.intermediate_values:
        # What it had reached when it was stopped: less than it would have, so a stopped trial never looks too good.
        found = [trial.intermediate_values[max(trial.intermediate_values)]]
    if found is None or not all(math.isfinite(value) for value in found):
        return None
    return tuple(sign * value for sign, value in zip(signs, found, strict=True))
