"""Evolution forgets the old, local search steps to neighbours and starts afresh, Pareto evolution keeps the front."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import optuna
import pytest

from nastk.controllers import LocalSearch, ParetoEvolution, RegularizedEvolution
from nastk.controllers.history import Record
from nastk.controllers.pareto import standings
from nastk.errors import UserError
from tests.controllers.driver import count_a, twelve


def different(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(one[name] != other[name] for name in one)


def test_a_child_of_evolution_is_one_change_away_from_a_young_parent_and_new() -> None:
    study = optuna.create_study(direction="maximize", sampler=RegularizedEvolution(0, population=8, sample=4))
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=60)
    rows = [trial.params for trial in study.trials]
    for index in range(8, 60):
        assert min(different(rows[index], parent) for parent in rows[index - 8 : index]) == 1
        assert rows[index] not in rows[:index]


def test_the_best_dies_of_age() -> None:
    study = optuna.create_study(direction="maximize", sampler=RegularizedEvolution(0, population=5, sample=5))
    trial = study.ask()
    king = twelve(trial)
    study.tell(trial, 100.0)
    distances = []
    for _ in range(60):
        trial = study.ask()
        distances.append(different(twelve(trial), king))
        study.tell(trial, -float(trial.number))
    assert max(distances[-20:]) > 2


def test_local_search_tries_every_neighbour_of_an_optimum_once_then_starts_afresh() -> None:
    study = optuna.create_study(direction="maximize", sampler=LocalSearch(0, start=1))
    trial = study.ask()
    top = twelve(trial)
    study.tell(trial, 1.0)
    tried = []
    for _ in range(12 * 3):
        trial = study.ask()
        tried.append(twelve(trial))
        study.tell(trial, 0.0)
    assert all(different(row, top) == 1 for row in tried)
    assert len({tuple(row.values()) for row in tried}) == 36
    assert different(twelve(study.ask()), top) > 1


def test_local_search_moves_as_soon_as_it_is_better() -> None:
    study = optuna.create_study(direction="maximize", sampler=LocalSearch(0, start=1))
    rows = []
    for index in range(20):
        trial = study.ask()
        rows.append(twelve(trial))
        study.tell(trial, float(index))
    assert all(different(before, after) == 1 for before, after in pairwise(rows))


def test_standings_are_fronts_then_room_then_violation() -> None:
    def record(values: tuple[float, float] | None, violation: float = 0.0) -> Record:
        return Record(0, {"x": 0}, {"x": (0, 1)}, values, violation)

    front = [(0.0, 4.0), (1.0, 3.9), (1.5, 2.0), (4.0, 0.0)]
    behind = [(0.5, 1.0), (0.0, 0.0)]
    order = standings([*(record(values) for values in [*front, *behind]), record(None, 0.1), record(None, 2.0)])
    assert [place[0] for place in order[:6]] == [0, 0, 0, 0, -1, -2]
    assert order[0][1] == order[3][1] == np.inf
    assert order[2][1] > order[1][1]
    assert min(order[:6]) > order[6] > order[7]


def test_pareto_evolution_covers_more_of_the_front_than_random_draws() -> None:
    def area(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            values = list(twelve(trial).values())
            return float(values.count("a")), float(values.count("b"))

        study.optimize(objective, n_trials=200)
        points = [trial.values for trial in study.best_trials]
        return sum(max((b for a, b in points if a >= least), default=0.0) for least in range(1, 13))

    assert area(ParetoEvolution(0)) >= area(optuna.samplers.RandomSampler(0)) + 12  # 12 choices: at most 66


@pytest.mark.parametrize("fields", [{"sample": 0}, {"population": 2, "sample": 3}])
def test_an_impossible_population_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(UserError, match="expected 1 to"):
        RegularizedEvolution(0, **fields)
