"""What controllers read of a study: its finished trials as small records, in order of their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

MAX_OPTIONS = 1024

Choices = Mapping[str, Any]
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Record:
    """A finished trial.

    Attributes:
        number: the trial's.
        choices: value by name, in the order they were asked for.
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
    return tuple(sorted(choices.items(), key=lambda item: item[0]))


def options(distribution: BaseDistribution) -> tuple[Any, ...] | None:
    """Returns the finite options of a parameter, or None where there are none (or more than `MAX_OPTIONS`)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if not isinstance(distribution, IntDistribution | FloatDistribution) or not distribution.step:
        return None
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    if count > MAX_OPTIONS:
        return None
    return tuple(distribution.low + index * distribution.step for index in range(count))


class History:
    """The records of a study, read again only where a trial has finished since."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[datetime | None, Record]] = {}

    def finished(self, study: Study, before: FrozenTrial) -> list[Record]:
        """Returns the records of all finished trials but `before`, in order of their numbers."""
        signs = tuple(1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in study.directions)
        records = []
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished() or trial.number == before.number:
                continue
            known = self._read.get(trial.number)
            # The time tells a trial of another study with the same number, should a sampler serve two studies.
            if known is None or known[0] != trial.datetime_complete:
                known = (trial.datetime_complete, _record(trial, signs))
                self._read[trial.number] = known
            records.append(known[1])
        records.sort(key=lambda record: record.number)
        return records


def running(study: Study, before: FrozenTrial) -> list[Key]:
    """Returns the choices of unfinished trials with smaller numbers, so as not to propose them again."""
    states = (TrialState.RUNNING,)
    trials = study.get_trials(deepcopy=False, states=states)
    return [key(trial.params) for trial in trials if trial.number < before.number and trial.params]


def _record(trial: FrozenTrial, signs: Sequence[float]) -> Record:
    finite = {name: options(distribution) for name, distribution in trial.distributions.items()}
    kept = {name: found for name, found in finite.items() if found is not None}
    values = _values(trial, signs)
    broken = float(trial.user_attrs.get("violation", 0.0)) + sum(
        max(0.0, value) for value in trial.constraints.values()
    )
    return Record(
        number=trial.number,
        choices={name: value for name, value in trial.params.items() if name in kept},
        options=kept,
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
