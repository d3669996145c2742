"""What every controller keeps to, Optuna's own included: proposals depend on the seed and the finished trials alone."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import optuna
import pytest
from optuna.trial import Trial, TrialState

from nastk.errors import UserError
from tests.controllers.driver import EVERY, FINITE, OURS, SEVERAL, controller, count_a, recipe, taste, tell, twelve

TRIALS = 42
CASES = [(name, 1) for name in EVERY] + [(name, 2) for name in SEVERAL]


def new_study(name: str, objectives: int, seed: int = 0) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"][:objectives], sampler=controller(name, seed))


def search(study: optuna.Study, trials: int = TRIALS) -> list[dict[str, Any]]:
    proposals = []
    for _ in range(trials):
        trial = study.ask()
        proposals.append(recipe(trial))
        tell(study, trial, proposals[-1], taste(proposals[-1]))
    return proposals


@pytest.mark.parametrize(("name", "objectives"), CASES)
def test_a_search_killed_in_the_middle_of_trials_proposes_the_same(name: str, objectives: int) -> None:
    expected = search(new_study(name, objectives))
    study = new_study(name, objectives)
    for number in range(TRIALS):
        trial = study.ask()
        if number % 4 == 1:
            kill_after(trial, choices=number % 5)
            study.sampler = controller(name)
            trial = Trial(study, trial._trial_id)
        chosen = recipe(trial)
        assert chosen == expected[number], f"trial {number}"
        tell(study, trial, chosen, taste(chosen))


def kill_after(trial: Trial, choices: int) -> None:
    """Answers the first few questions of a trial, as a process does that is then killed."""

    class KilledError(Exception):
        pass

    left = choices
    suggest = trial._suggest

    def counted(name: str, distribution: Any) -> Any:
        nonlocal left
        if left == 0:
            raise KilledError
        left -= 1
        return suggest(name, distribution)

    trial._suggest = counted  # type: ignore[method-assign]
    with suppress(KilledError):  # a short recipe is asked to its end before
        recipe(trial)


@pytest.mark.parametrize(("name", "objectives"), CASES)
def test_a_seed_gives_one_search_and_another_seed_another(name: str, objectives: int) -> None:
    first, second, other = (search(new_study(name, objectives, seed), 20) for seed in (1, 1, 2))
    assert first == second
    assert first != other


@pytest.mark.parametrize(("name", "objectives"), CASES)
def test_trials_side_by_side_never_wait_and_a_late_result_counts_as_if_it_had_come_in_order(
    name: str, objectives: int
) -> None:
    study = new_study(name, objectives)
    open_trials: list[tuple[Trial, dict[str, Any]]] = []
    for number in range(TRIALS):
        trial = study.ask()
        open_trials.append((trial, recipe(trial)))
        if len(open_trials) == 5:
            late = open_trials.pop(0 if number % 3 else 2)
            tell(study, *late, taste(late[1]))
    for trial, chosen in open_trials:
        tell(study, trial, chosen, taste(chosen))
    expected = recipe(study.ask())
    fresh = new_study(name, objectives)
    for finished in study.get_trials(deepcopy=False)[:TRIALS]:
        fresh.add_trial(finished)
    if name != "nsga2":  # its generations are counted by Optuna as trials come in
        assert recipe(fresh.ask()) == expected


@pytest.mark.parametrize("name", EVERY)
def test_minimizing_is_maximizing_the_negative(name: str) -> None:
    def run(direction: str, sign: float) -> list[dict[str, Any]]:
        study = optuna.create_study(direction=direction, sampler=controller(name))
        proposals = []
        for _ in range(25):
            trial = study.ask()
            proposals.append(recipe(trial))
            study.tell(trial, sign * taste(proposals[-1]))
        return proposals

    assert run("minimize", -1.0) == run("maximize", 1.0)


@pytest.mark.parametrize("name", OURS)
def test_it_learns(name: str) -> None:
    def best(name: str, seed: int) -> float:
        study = optuna.create_study(direction="maximize", sampler=controller(name, seed))
        study.optimize(lambda trial: count_a(twelve(trial)), n_trials=80)
        return study.best_value

    seeds = range(2)
    assert sum(best(name, seed) for seed in seeds) >= sum(best("random", seed) for seed in seeds) + 1


@pytest.mark.parametrize("name", FINITE)
def test_it_is_steered_away_from_what_was_rejected(name: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=controller(name))
    rejected = []
    for _ in range(120):
        trial = study.ask()
        broken = count_a(twelve(trial)) - 1.0  # 84 of 100 random proposals break it
        rejected.append(broken > 0)
        if broken > 0:
            trial.set_user_attr("state", "rejected")
            trial.set_user_attr("violation", broken)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float(trial.params["c0"] == "b"))
    assert sum(rejected[-60:]) < 30


@pytest.mark.parametrize("name", FINITE)
def test_a_search_of_nothing_but_rejections_or_failures_goes_on(name: str) -> None:
    for state in (TrialState.PRUNED, TrialState.FAIL):
        study = optuna.create_study(direction="maximize", sampler=controller(name))
        for _ in range(60):
            trial = study.ask()
            amount = count_a(twelve(trial)) + 0.1
            if state == TrialState.PRUNED:
                trial.set_user_attr("violation", amount)
            study.tell(trial, state=state)


@pytest.mark.parametrize("name", FINITE)
def test_values_that_are_not_finite_teach_nothing_wrong(name: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=controller(name))

    def objective(trial: Trial) -> float:
        value = count_a(twelve(trial))
        return {0: math.nan, 1: math.inf, 2: -math.inf}.get(trial.number % 6, value)

    study.optimize(objective, n_trials=50)
    assert sum(trial.state == TrialState.FAIL for trial in study.trials) == 9
    assert all(set(trial.params.values()) <= set("abcd") for trial in study.trials)


@pytest.mark.parametrize("name", FINITE)
def test_a_parameter_without_finite_choices_is_an_error_that_names_it(name: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=controller(name))
    with pytest.raises(UserError, match="'learning_rate' has no finite choices"):
        study.ask().suggest_float("learning_rate", 0.0, 1.0)


@pytest.mark.parametrize("name", OURS)
def test_several_objectives_are_refused_by_a_controller_of_one(name: str) -> None:
    with pytest.raises(UserError, match="the study has 2 objectives, expected one"):
        recipe(new_study(name, 2).ask())


@pytest.mark.parametrize("name", OURS)
def test_a_space_that_is_exhausted_still_gets_answers(name: str) -> None:
    study = optuna.create_study(direction="maximize", sampler=controller(name))
    for _ in range(30):
        trial = study.ask()
        chosen = {key: trial.suggest_categorical(key, (0, 1)) for key in ("x", "y")}
        tell(study, trial, chosen, float(sum(chosen.values())))
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 4


@pytest.mark.parametrize("name", FINITE)
def test_a_sampler_may_serve_one_study_after_another(name: str) -> None:
    sampler = controller(name)
    expected = search(optuna.create_study(direction="maximize", sampler=controller(name)), 20)
    for _ in range(2):
        assert search(optuna.create_study(direction="maximize", sampler=sampler), 20) == expected
