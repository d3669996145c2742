"""Every controller serves a plain Optuna script: all distributions, threads, pickling, and trials from elsewhere."""

from __future__ import annotations

import copy
import math
import pickle
import time
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.trial import Trial, TrialState, create_trial

import nastk.controllers
from nastk.controllers.controller import Controller
from tests.controllers.driver import EVERY, FINITE, controller, count_a, recipe, taste, twelve

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "whole": IntDistribution(-10, 10),
    "even": IntDistribution(-10, 10, step=2),
    "log": IntDistribution(1, 100, log=True),
    "tenths": FloatDistribution(0, 0.3, step=0.1),
    "from a tenth": FloatDistribution(0.1, 0.7, step=0.1),
    "fifths": FloatDistribution(0, 1.2, step=0.4),
    "many": FloatDistribution(-10.2, 10.2, step=0.1),
    "single": FloatDistribution(1.0, 1.0, step=1.0),
    "one": CategoricalDistribution((1,)),
    "mixed": CategoricalDistribution((1, "a", None, 2.5, False)),
    "twice": CategoricalDistribution((1, True, "a", "a")),
    "the same twice": CategoricalDistribution(("a", "a")),
    "nan": CategoricalDistribution((0.5, math.nan, math.inf)),
    "lists": CategoricalDistribution(([64], [64, 32], [16, 8, 4])),
    "dicts": CategoricalDistribution(({"n": 1}, {"n": 2, "m": [3]})),
    "tuples": CategoricalDistribution(((1,), (2, 3))),
}
OF_TRIALS_ALONE = tuple(name for name in EVERY if name != "nsga2")  # Optuna's writes its generations beside the trials


def new_study(sampler: BaseSampler, direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=sampler)


def savour(trial: Trial) -> float:
    return taste(recipe(trial))


def proposals(study: optuna.Study, count: int) -> list[dict[str, Any]]:
    rows = []
    for _ in range(count):
        trial = study.ask()
        rows.append(recipe(trial))
        study.tell(trial, taste(rows[-1]))
    return rows


def test_every_controller_is_held_to_this() -> None:
    classes = {getattr(nastk.controllers, name) for name in nastk.controllers.__all__}
    assert {type(controller(name)) for name in EVERY} == classes
    ours = {kind for kind in classes if issubclass(kind, Controller)}
    assert {type(controller(name)) for name in FINITE} == ours


@pytest.mark.parametrize("name", EVERY)
def test_whatever_is_asked_gets_an_answer_within_it_and_the_trials_go_into_another_study(name: str) -> None:
    """All at once, and which of them depends on the trial."""
    asked = dict(DISTRIBUTIONS)
    if name not in FINITE:
        asked |= {"any": FloatDistribution(-1, 1), "log any": FloatDistribution(1e-7, 1, log=True)}
    study = new_study(controller(name))
    for number in range(25):
        trial = study.ask()
        for at, (parameter, distribution) in enumerate(asked.items()):
            if number < 15 or (number + at) % 3:
                value = trial._suggest(parameter, distribution)
                assert distribution._contains(distribution.to_internal_repr(value)), (parameter, value)
                if not isinstance(distribution, CategoricalDistribution):
                    assert type(value) is (int if isinstance(distribution, IntDistribution) else float)
        study.tell(trial, float(trial.params.get("whole", number)))
    other = new_study(controller(name))
    other.add_trials(study.trials)
    assert [trial.params.keys() for trial in other.trials] == [trial.params.keys() for trial in study.trials]


@pytest.mark.parametrize("name", EVERY)
def test_a_range_may_change_from_trial_to_trial(name: str) -> None:
    study = new_study(controller(name))

    def objective(trial: Trial) -> float:
        low = (trial.number // 8) * 10
        x, y = trial.suggest_int("x", low, low + 12, step=3), trial.suggest_float("y", 0, low + 0.7, step=0.1)
        assert low <= x <= low + 12
        assert 0 <= y <= low + 0.7
        return x + y

    study.optimize(objective, n_trials=24)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "given", [{"oil": 0.2500000001, "salt": 1}, {"minutes": 7, "dish": "pasta"}, {"salt": 90}, {"oil": -1, "no": 1}]
)
def test_an_enqueued_trial_is_tried_as_it_is_and_the_search_goes_on(name: str, given: dict[str, Any]) -> None:
    study = new_study(controller(name))
    for at in (0, 14):
        study.optimize(savour, n_trials=at)
        study.enqueue_trial(given)
        study.optimize(savour, n_trials=1)
        params = study.trials[-1].params
        assert {key: params[key] for key in given if key in params} == {key: given[key] for key in given if key != "no"}
    study.optimize(savour, n_trials=10)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)


@pytest.mark.parametrize("name", FINITE)
def test_a_value_rounded_otherwise_is_the_same_network(name: str) -> None:
    """0.1 + 2 * 0.1 is 0.30000000000000004."""

    def ask(trial: Trial) -> dict[str, Any]:
        return {"x": trial.suggest_float("x", 0.1, 0.5, step=0.1), "y": trial.suggest_float("y", 0.1, 0.5, step=0.1)}

    def after(x: float) -> list[dict[str, Any]]:
        study = new_study(controller(name))
        for y in (0.1, 0.2, 0.3, 0.4, 0.5):
            distribution = FloatDistribution(0.1, 0.5, step=0.1)
            study.add_trial(
                create_trial(params={"x": x, "y": y}, distributions={"x": distribution, "y": distribution}, value=y)
            )
        rows = []
        for _ in range(12):
            trial = study.ask()
            rows.append(ask(trial))
            study.tell(trial, sum(rows[-1].values()))
        return rows

    assert after(0.30000000000000004) == after(0.3)


@pytest.mark.parametrize("name", EVERY)
def test_trials_of_every_kind_may_be_added(name: str) -> None:
    study = new_study(controller(name))
    among = CategoricalDistribution(("soup", "pasta", "salad"))
    for count in range(12):
        study.add_trial(create_trial(value=1.0))
        study.add_trial(create_trial(params={"dish": "soup"}, distributions={"dish": among}, value=float(count)))
        study.add_trial(create_trial(params={"rate": 0.1}, distributions={"rate": FloatDistribution(0, 1)}, value=2.0))
        study.add_trial(create_trial(state=TrialState.FAIL, params={"dish": "pasta"}, distributions={"dish": among}))
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED,
                params={"dish": "salad", "salt": 3},
                distributions={"dish": among, "salt": IntDistribution(0, 4)},
                intermediate_values={0: 0.5},
            )
        )
    under_way: dict[str, Any] = {"state": TrialState.RUNNING, "params": {"rate": 0.1}}
    study.add_trial(create_trial(**under_way, distributions={"rate": FloatDistribution(0, 1)}))
    assert len(proposals(study, 8)) == 8


@pytest.mark.parametrize("name", EVERY)
def test_threads_may_share_a_controller_and_leave_it_as_one_alone_would(name: str) -> None:
    study = new_study(controller(name))
    study.optimize(lambda trial: count_a(twelve(trial)), n_trials=60, n_jobs=4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 60
    if name in OF_TRIALS_ALONE:
        fresh = new_study(controller(name))
        fresh.add_trials(study.trials)
        assert twelve(study.ask()) == twelve(fresh.ask())


@pytest.mark.parametrize("name", FINITE)
def test_threads_learn_and_propose_one_at_a_time(name: str) -> None:
    sampler = controller(name)
    assert isinstance(sampler, Controller)
    propose, inside, most = sampler.propose, [0], [0]

    def counted(*given: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)  # lets any other thread in that may come
        proposal = propose(*given)
        inside[0] -= 1
        return proposal

    sampler.propose = counted  # type: ignore[method-assign]
    new_study(sampler).optimize(savour, n_trials=24, n_jobs=4)
    assert most == [1]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("copied", [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy])
def test_a_copy_of_controller_or_study_goes_on_as_the_original(name: str, copied: Callable[[Any], Any]) -> None:
    study = new_study(controller(name))
    study.optimize(savour, n_trials=14)
    asked = study.ask()
    half = asked.suggest_categorical("dish", ("soup", "pasta", "salad"))
    twin = copied(study)
    twin.sampler = copied(twin.sampler)
    rows = []
    for each in (study, twin):
        trial = Trial(each, asked._trial_id)
        rows.append(recipe(trial))
        each.tell(trial, 1.0)
        rows[-1] |= {"next": proposals(each, 6)}
    assert rows[0] == rows[1]
    assert rows[0]["dish"] == half


@pytest.mark.parametrize("name", OF_TRIALS_ALONE)
def test_a_study_that_was_copied_goes_on_as_the_original(name: str) -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="one", direction="maximize", sampler=controller(name))
    study.optimize(savour, n_trials=14)
    optuna.copy_study(from_study_name="one", from_storage=storage, to_storage=storage, to_study_name="other")
    other = optuna.load_study(study_name="other", storage=storage, sampler=controller(name))
    assert proposals(study, 6) == proposals(other, 6)


@pytest.mark.parametrize("name", FINITE)
def test_one_controller_may_serve_two_studies_by_turns(name: str) -> None:
    """Even if one is a copy of the other with the opposite direction: trials have the same numbers and times."""

    def turns(samplers: tuple[BaseSampler, BaseSampler]) -> list[dict[str, Any]]:
        first = new_study(samplers[0])
        for number in range(14):
            chosen = recipe(trial := first.ask())
            first.tell(trial, taste(chosen) + number / 100)
        second = new_study(samplers[1], "minimize")
        second.add_trials(first.trials)
        rows = []
        for _ in range(8):
            trials = [study.ask() for study in (first, second)]
            for trial in trials:
                trial.suggest_categorical("dish", ("soup", "pasta", "salad"))
            for study, trial in zip((first, second), trials, strict=True):
                rows.append(recipe(trial))
                study.tell(trial, taste(rows[-1]))
        return rows

    shared = controller(name)
    assert turns((shared, shared)) == turns((controller(name), controller(name)))


@pytest.mark.parametrize("name", EVERY)
def test_some_parameters_may_be_fixed_and_all_be_asked_for_at_once(name: str) -> None:
    asked: dict[str, BaseDistribution] = {"x": CategoricalDistribution("abc"), "y": IntDistribution(0, 3)}
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study = new_study(optuna.samplers.PartialFixedSampler({"x": "b"}, controller(name)))
    for _ in range(15):
        trial = study.ask(asked)
        assert trial.params["x"] == "b"
        study.tell(trial, float(trial.params["y"]))


class TestOptunasOwnCases(BasicSamplerTestCase):
    """Optuna's public cases ask for parameters without finite choices too, so they go to whom these are no error."""

    @pytest.fixture(params=[name for name in EVERY if name not in FINITE])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controller(request.param)
