"""What the controller tests share: the controllers, spaces that are no networks, and a search that can be killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from nastk.config.build import build, load_yaml, shipped
from nastk.controllers.controller import Controller
from nastk.jobs.search_parts import sampler_node

optuna.logging.set_verbosity(optuna.logging.ERROR)

SINGLE = ("random", "tpe", "evolution", "local_search", "reinforce", "ppo", "predictor")
SEVERAL = ("random", "tpe", "nsga2", "pareto_evolution")
OURS = ("evolution", "local_search", "reinforce", "ppo", "predictor")

EVERY = tuple(sorted(path.stem for path in (shipped("conf") / "controller").glob("*.yaml")))

Ask = Callable[[Trial], dict[str, Any]]


def controller(name: str, seed: int = 0) -> BaseSampler:
    """Builds what `controller=<name>` means."""
    sampler = build(sampler_node(load_yaml(shipped("conf") / "controller" / f"{name}.yaml")), "controller", seed=seed)
    assert isinstance(sampler, BaseSampler)
    return sampler


def _ours() -> dict[str, Controller[Any]]:
    built = {name: controller(name) for name in EVERY}
    return {name: each for name, each in built.items() if isinstance(each, Controller)}


FINITE = tuple(_ours())  # those that want finite choices
OURS = tuple(name for name, each in _ours().items() if each.objectives_max == 1)  # and one objective
SEVERAL = tuple(name for name in EVERY if name not in OURS)


def recipe(trial: Trial) -> dict[str, Any]:
    """A space that is not a network, with choices that hang on others, numbers and a single option."""
    chosen: dict[str, Any] = {"dish": trial.suggest_categorical("dish", ("soup", "pasta", "salad"))}
    chosen["salt"] = trial.suggest_int("salt", 0, 4)
    if chosen["dish"] == "pasta":
        chosen["shape"] = trial.suggest_categorical("shape", ("penne", "fusilli"))
        chosen["minutes"] = trial.suggest_int("minutes", 6, 12, step=2)
    if chosen["dish"] != "salad":
        chosen["pot"] = trial.suggest_categorical("pot", ("large",))
    chosen["herb"] = trial.suggest_categorical("herb", ("basil", "thyme", None))
    chosen["oil"] = trial.suggest_float("oil", 0.0, 1.0, step=0.25)
    return chosen


def taste(chosen: dict[str, Any]) -> float:
    """Best is 6.0: pasta, penne, 8 minutes, salt 2, basil, oil 0.5."""
    score = {"pasta": 2.0, "soup": 1.0, "salad": 0.5}[chosen["dish"]]
    score += chosen.get("shape") == "penne"
    score -= abs(chosen.get("minutes", 8) - 8) / 4 + abs(chosen["salt"] - 2) / 2 + abs(chosen["oil"] - 0.5)
    return score + {"basil": 3.0, "thyme": 1.0, None: 0.0}[chosen["herb"]]


def twelve(trial: Trial) -> dict[str, Any]:
    """Twelve choices of four."""
    return {f"c{index}": trial.suggest_categorical(f"c{index}", tuple("abcd")) for index in range(12)}


def count_a(chosen: dict[str, Any]) -> float:
    """How many of the choices are "a"."""
    return float(sum(value == "a" for value in chosen.values()))


def tell(study: optuna.Study, trial: Trial, chosen: dict[str, Any], value: float) -> None:
    """Tells every kind of result that a search has: values, duplicates, rejections and failures."""
    earlier = [other for other in study.get_trials(deepcopy=False) if other.state == TrialState.COMPLETE]
    if any(other.params == trial.params for other in earlier):
        trial.set_user_attr("state", "duplicate")
    elif trial.number % 7 == 3:
        trial.set_user_attr("state", "rejected")
        trial.set_user_attr("violation", 0.1 + trial.number % 3)
        study.tell(trial, state=TrialState.PRUNED)
        return
    elif trial.number % 11 == 5:
        trial.set_user_attr("state", "failed")
        study.tell(trial, state=TrialState.FAIL)
        return
    study.tell(trial, [value] if len(study.directions) == 1 else [value, float(chosen.get("salt", 1))])
