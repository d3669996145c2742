"""The search loop that the controller benchmarks share: ask, look up, tell, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from nastk.config.build import build, load_yaml, plain, shipped
from nastk.jobs.search_parts import sampler_node

MAX_ASKED = 20  # asks per evaluation before a search counts as out of ideas


@dataclass(frozen=True)
class Result:
    """What one table lookup gives: which network it was and the study's values for it."""

    row: int
    values: Sequence[float]
    violation: float = 0.0


def make_controller(name: str, seed: int, **fields: Any) -> optuna.samplers.BaseSampler:
    """Builds a controller as `controller=<name>` does, from conf/controller/<name>.yaml, with some fields replaced.

    Functions among the fields are handed over as the search hands them.
    """
    hooks = {field: value for field, value in fields.items() if callable(value)}
    node = plain(sampler_node(load_yaml(shipped("conf") / "controller" / f"{name}.yaml"))) | fields
    node = {field: value for field, value in node.items() if field not in hooks}
    sampler: optuna.samplers.BaseSampler = build(node, "controller", seed=seed, **hooks)
    return sampler


def run_search(
    sampler: optuna.samplers.BaseSampler,
    directions: Sequence[str],
    choices: Mapping[str, Sequence[Any]],
    look_up: Callable[[Mapping[str, Any]], Result],
    evaluations: int,
) -> list[int]:
    """Returns the distinct rows in the order they were tried, at most `evaluations` of them.

    A row met before is told its value again, marked as a duplicate, and does not count; a violation is told as a
    rejection, and does not count either.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=list(directions), sampler=sampler)
    rows: dict[int, None] = {}
    for _ in range(evaluations * MAX_ASKED):
        if len(rows) >= evaluations:
            break
        trial = study.ask()
        result = look_up({name: trial.suggest_categorical(name, options) for name, options in choices.items()})
        if result.violation > 0:
            trial.set_user_attr("state", "rejected")
            trial.set_user_attr("violation", result.violation)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        if result.row in rows:
            trial.set_user_attr("state", "duplicate")
        rows[result.row] = None
        study.tell(trial, list(result.values))
    return list(rows)
