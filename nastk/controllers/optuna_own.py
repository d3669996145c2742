"""Optuna's own samplers, reseeded for every trial, so that a killed and resumed search proposes the same."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._ga import BaseGASampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nastk.controllers.seeds import derive, fresh_seed
from nastk.errors import UserError, unknown


class PerTrial(BaseSampler):
    """Builds the inner sampler afresh for every draw, from a seed that is a function of seed, trial and parameter.

    Optuna's samplers draw from one stream of random numbers that lives as long as the process, so that what they
    propose depends on how many draws went before; here it depends on the finished trials alone.

    Args:
        sampler: an Optuna sampler class or its dotted name, e.g. "optuna.samplers.TPESampler".
        seed: of all draws; None takes an unpredictable one.
        settings: what else the class is called with.

    Raises:
        UserError: no such class, or a setting it lacks.
    """

    def __init__(
        self,
        sampler: str | Callable[..., BaseSampler],
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._build = _located(sampler) if isinstance(sampler, str) else sampler
        self._seed = fresh_seed() if seed is None else seed
        self._settings = dict(settings or {})
        called = getattr(self._build, "__name__", "sampler")
        names = inspect.signature(self._build).parameters
        for name, value in self._settings.items():
            if name not in names:
                raise unknown(f"setting of {called}", name, names)
            default = names[name].default
            if isinstance(default, int | float) and type(value) not in (int, type(default)):
                raise UserError(f"setting of {called}: {name}={value!r}, expected {type(default).__name__}")
            if isinstance(value, int | float) and value < 0:
                raise UserError(f"setting of {called}: {name}={value!r}, expected at least 0")
        self._inner(0, "check")

    def __str__(self) -> str:
        return f"PerTrial({getattr(self._build, '__name__', self._build)})"

    def _inner(self, *purpose: int | str) -> BaseSampler:
        return self._build(seed=derive(self._seed, *purpose), **self._settings)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner(trial.number, "before").before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner(trial.number, "relative").infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        inner = self._inner(trial.number, "relative")
        if isinstance(inner, BaseGASampler):
            # The first to ask for a generation's parents gets them by rank, all later ones by number: be a later one.
            inner.get_parent_population(study, inner.get_trial_generation(study, trial))
            trial = study._storage.get_trial(trial._trial_id)
        return inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        inner = self._inner(trial.number, "parameter", param_name)
        return inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._inner(trial.number, "after").after_trial(study, trial, state, values)


def _located(name: str) -> Callable[..., BaseSampler]:
    module, _, attribute = name.rpartition(".")
    if module != "optuna.samplers":
        raise UserError(f"controller: sampler={name!r}, expected one of Optuna's, e.g. optuna.samplers.TPESampler")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        valid = [other for other in dir(importlib.import_module("optuna.samplers")) if other.endswith("Sampler")]
        raise unknown("sampler", name, [f"optuna.samplers.{other}" for other in valid]) from None
    if not (isinstance(found, type) and issubclass(found, BaseSampler)):
        raise UserError(f"controller: sampler={name!r}, expected a subclass of optuna.samplers.BaseSampler")
    return found
