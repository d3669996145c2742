"""Several drivers on one study: no key trained twice, no trial lost, whoever dies or is slow, on any storage."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState
from sqlalchemy import text

from nastk.controllers import PerTrial
from nastk.errors import UserError
from nastk.evaluators import Report
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.trial_record import KEY
from nastk.spaces import NasBench201Space
from nastk.storages import Sharing
from nastk.storages.postgresql import Postgresql
from nastk.storages.retrying import RetryingDatabase
from nastk.study.budget import Budget
from nastk.study.drivers import DIED, DRIVER, NOT_NEEDED
from nastk.study.loop import search
from nastk.study.proposal import Proposal
from nastk.study.pruning import Pruner
from nastk.study.shared import UNDER_WAY, SharedStudy
from tests.postgresql import Database
from tests.simulated import Simulated, accuracy, cost, inline

SMALL = NasBench201Space(ops=("zero", "conv_1x1"))  # 14 keys: drivers meet
BEAT, GRACE = 0.1, 0.4
Open = Callable[..., SharedStudy]
ON_BOTH = pytest.mark.parametrize("storages", ["memory", "postgresql"], indirect=True)


class Fixed(PerTrial):
    """Proposes the same cell again and again: every proposal is a race."""

    def sample_independent(self, study: object, trial: object, param_name: str, param_distribution: object) -> object:
        return "zero"


@pytest.fixture
def storages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], BaseStorage]:
    """Connects a driver to the study's storage: in memory where a test does not say otherwise."""
    if getattr(request, "param", "memory") == "memory":
        memory = InMemoryStorage()
        return lambda: memory
    database: Database = request.getfixturevalue("database")
    monkeypatch.setenv("PGPASSWORD", database.password)
    place = Postgresql(url=database.url)
    return lambda: place.connect()(None)  # type: ignore[arg-type]


@pytest.fixture
def opened(storages: Callable[[], BaseStorage]) -> Iterator[Open]:
    """Opens the study as a driver; what is still open at the end is closed."""
    with contextlib.ExitStack() as stack:

        def opened(
            driver: str,
            sampler: BaseSampler | None = None,
            objective: Objective | None = None,
            pruner: Pruner | None = None,
            name: str = "shared",
            **settings: object,
        ) -> SharedStudy:
            sampler = sampler or Fixed("optuna.samplers.RandomSampler", seed=3)
            sharing = SimpleNamespace(heartbeat=BEAT, grace=GRACE)  # seconds would do, but not for a test
            given = (storages(), sampler, SMALL, objective or Objective(), pruner, name, driver, sharing)
            return stack.enter_context(contextlib.closing(SharedStudy(*given, {"space": settings})))

        yield opened


def _finish(study: SharedStudy, candidate: Proposal) -> None:
    study.accept(candidate, {})
    study.finish(candidate, study.record_complete(candidate, {"accuracy": accuracy(candidate.genotype)}, 0.1))


def _dies(study: SharedStudy) -> None:
    """Leaves no sign of life any more; in the database the last one is then long ago."""
    study.close()
    _let_time_pass(study)


def _let_time_pass(study: SharedStudy) -> None:
    """In the database, whose grace is long, makes all signs of life old: a living driver's is new the next moment."""
    if isinstance(study._storage.storage, RetryingDatabase):
        with study._storage.storage.database.engine.begin() as connection:
            connection.execute(text("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'"))


def _together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def _until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _take_overs(study: SharedStudy) -> bool:
    study.wait()
    return study.interrupted


@ON_BOTH
def test_drivers_side_by_side_train_no_key_twice_and_all_know_all_trials(opened: Open) -> None:
    keys: list[str] = []
    lock = threading.Lock()

    class Slow(Simulated):
        def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
            with lock:
                keys.append(genotype.key)
            time.sleep(0.05)
            return super().evaluate(genotype, report)

    random = functools.partial(PerTrial, "optuna.samplers.RandomSampler", seed=3)
    studies = [opened(f"driver {index}", random()) for index in range(3)]
    ended: list[str | None] = []

    def drive(study: SharedStudy) -> None:
        ended.append(search(study, inline(Slow()), cost, Budget(trials=7), lambda row: None))

    _together([functools.partial(drive, study) for study in studies])
    assert ended == [None] * 3
    assert Counter(keys).most_common(1)[0][1] == 1
    assert 7 <= len(keys) <= 9  # at most one too many for each other driver
    for study in studies:
        list(study.new_rows())
        assert study.trained == len(keys)
        assert [row.number for row in study.rows] == list(range(len(study.rows)))
    assert all(study.rows == studies[0].rows for study in studies)


def test_of_two_that_want_a_key_the_one_that_claimed_it_trains_whatever_its_number(opened: Open) -> None:
    for lower_first in (True, False):
        one, two = opened("one", name=f"{lower_first}"), opened("two", name=f"{lower_first}")
        pairs = [(one, one.ask()), (two, two.ask())]
        (winner, mine), (loser, theirs) = pairs if lower_first else pairs[::-1]
        assert winner.duplicate_of(mine) is None
        twin = loser.duplicate_of(theirs)
        assert twin is not None
        assert (twin.number, twin.reason) == (mine.number, UNDER_WAY)
        row = loser.finish(theirs, loser.record_duplicate(theirs, twin, 0.1))
        assert (row.state, row.metrics) == ("duplicate", {})
        assert row.reason == f"the same cell as trial {mine.number}: {UNDER_WAY}"
        _finish(winner, mine)
        again = loser.ask()
        known = loser.duplicate_of(again)
        assert known is not None
        assert known.metrics == {"accuracy": accuracy(again.genotype)}  # now there is a result to copy


def test_where_neither_has_claimed_a_key_the_lower_number_waits_for_the_higher_to_decide(opened: Open) -> None:
    one, two = opened("one"), opened("two")
    lower, higher = one.ask(), two.ask()
    higher.trial.set_user_attr(KEY, higher.genotype.key)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(one.duplicate_of(lower)))
    waiting.start()
    time.sleep(0.2)
    assert not found
    twin = two.duplicate_of(higher)
    assert twin is not None
    assert twin.number == lower.number
    two.finish(higher, two.record_duplicate(higher, twin, 0.1))
    waiting.join(120)
    assert found == [None]


def test_a_driver_that_dies_between_writing_and_claiming_a_key_holds_nobody_up(opened: Open) -> None:
    one, two = opened("one"), opened("two")
    lower, higher = one.ask(), two.ask()
    higher.trial.set_user_attr(KEY, higher.genotype.key)
    _dies(two)
    assert one.duplicate_of(lower) is None


@ON_BOTH
def test_a_dead_drivers_candidate_is_taken_over_once_and_what_it_still_writes_is_refused(opened: Open) -> None:
    dead, one, two = opened("dead"), opened("one"), opened("two")
    candidate = dead.ask()
    assert dead.duplicate_of(candidate) is None
    dead.accept(candidate, {})
    one.wait()
    assert not one.interrupted  # it is alive
    _dies(dead)
    _until(lambda: _take_overs(one) | _take_overs(two))
    trained = 0
    for study in (one, two):
        while study.interrupted:
            successor = study.ask()
            assert successor.genotype == candidate.genotype
            twin = study.duplicate_of(successor)
            if twin is None:
                trained += 1
                _finish(study, successor)
            else:
                study.finish(successor, study.record_duplicate(successor, twin, 0.1))
    assert trained == 1
    row = dead.record_complete(candidate, {"accuracy": 0.5}, 9.0)  # it was only slow
    row = dead.finish(candidate, row)
    assert (row.state, row.reason, row.metrics) == ("failed", DIED, {})
    assert dead.early_stopping(candidate, {}).should_stop(1, 0.5) is None  # no pruner, nothing to write
    for study in (dead, one, two):
        list(study.new_rows())
        assert sum(row.state == "complete" for row in study.rows) == 1
    states = {trial.state for trial in one.study.get_trials(deepcopy=False)}
    assert TrialState.RUNNING not in states


def test_a_slow_driver_stops_training_what_was_taken_over(opened: Open) -> None:
    slow, other = opened("slow", pruner=optuna.pruners.MedianPruner()), opened("other")
    candidate = slow.ask()
    assert slow.duplicate_of(candidate) is None
    stopping = slow.early_stopping(candidate, {})
    assert stopping.should_stop(1, 0.3) is None
    _dies(slow)
    _until(lambda: _take_overs(other))
    assert "took this one for dead" in (stopping.should_stop(2, 0.4) or "")


@ON_BOTH
def test_a_result_that_a_dead_driver_recorded_is_told_and_not_trained_again(opened: Open) -> None:
    dead, other = opened("dead"), opened("other")
    candidate = dead.ask()
    dead.duplicate_of(candidate)
    dead.accept(candidate, {})
    dead.record_complete(candidate, {"accuracy": 0.75}, 9.0)
    _dies(dead)
    _until(lambda: _take_overs(other) or other.trained)
    assert not other.interrupted
    assert [(row.number, row.metrics) for row in other.new_rows()] == [(candidate.number, {"accuracy": 0.75})]


def test_a_candidate_whose_drivers_all_die_is_given_up(opened: Open) -> None:
    last = opened("last")
    for index in range(3):
        dead = opened(f"dead {index}")
        if index:
            _until(functools.partial(_take_overs, dead))
        dead.duplicate_of(dead.ask())
        _dies(dead)
    _until(lambda: (last.wait(), list(last.new_rows()), len(last.rows) == 3)[-1])
    assert not last.interrupted
    assert {row.reason for row in last.rows} == {DIED}
    assert last.duplicate_of(last.ask()) is None  # and may be proposed anew


def _created(study: SharedStudy, driver: str, **choices: str) -> int:
    """Has the storage create a trial of a driver that does not hear of it, or dies of hearing; returns its number."""
    options = CategoricalDistribution(SMALL.ops)
    inherited = {"params": choices, "distributions": dict.fromkeys(choices, options)}
    template = optuna.create_trial(state=TrialState.RUNNING, user_attrs={DRIVER: driver}, **inherited)
    storage = study._storage.storage
    return storage.get_trial_number_from_id(storage.create_new_trial(study.study._study_id, template))


@ON_BOTH
def test_a_trial_that_its_driver_did_not_hear_of_is_its_next(opened: Open) -> None:
    study = opened("one", PerTrial("optuna.samplers.RandomSampler", seed=3))
    candidate = study.ask()
    unheard = _created(study, "one")
    assert study.duplicate_of(candidate) is None
    assert study.interrupted
    taken = study.ask()
    assert taken.number == unheard
    for one in (candidate, taken):
        _finish(study, one)
    last = _created(study, "one")
    assert [(row.number, row.reason) for row in study.ended()] == [(last, NOT_NEEDED)]
    assert [row.number for row in study.rows] == [0, unheard, last]


@ON_BOTH
@pytest.mark.parametrize("choices", [{}, {"normal/0/op_0": "zero"}], ids=["none", "one"])
def test_a_trial_whose_driver_died_before_it_gave_a_sign_or_had_chosen_all_is_proposed_and_handed_on(
    opened: Open, choices: dict[str, str]
) -> None:
    other = opened("other")
    number = _created(other, "dead", **choices)
    other.wait()
    _let_time_pass(other)
    _until(lambda: _take_overs(other))
    assert [(row.number, row.state, row.reason) for row in other.new_rows()] == [(number, "failed", DIED)]
    successor = other.ask()
    assert successor.genotype.to_dict() == other.rows[0].genotype
    _finish(other, successor)
    assert [row.number for row in other.rows] == [0, 1]


@ON_BOTH
def test_at_the_end_a_driver_ends_its_own_trials_and_those_of_the_dead(opened: Open) -> None:
    one, dead = opened("one"), opened("dead")
    dead.ask()
    _created(one, "one")
    one.wait()  # so that it has seen whose trials are open
    _dies(dead)
    rows = {row.number: row.reason for row in one.ended()}
    assert rows == {0: DIED, 1: NOT_NEEDED}
    assert not one.interrupted  # none is handed on
    again = one.ask()
    assert one.duplicate_of(again) is None  # and the cell may be proposed anew


@ON_BOTH
def test_the_same_driver_goes_on_with_its_trials_under_their_numbers(opened: Open) -> None:
    before = opened("one")
    candidate = before.ask()
    before.duplicate_of(candidate)
    before.accept(candidate, {"latency_ms": 1.5})
    _dies(before)
    after = opened("one")
    again = after.ask()
    assert (again.number, again.genotype, again.cost) == (candidate.number, candidate.genotype, {"latency_ms": 1.5})


def test_a_driver_waits_for_what_others_train_of_the_budget_and_trains_it_when_they_fail(opened: Open) -> None:
    slow = opened("slow")
    other = opened("other", PerTrial("optuna.samplers.RandomSampler", seed=3))
    candidate = slow.ask()
    slow.duplicate_of(candidate)
    slow.accept(candidate, {})
    evaluator = Simulated()
    run = functools.partial(search, other, inline(evaluator), cost, Budget(trials=1), lambda row: None)
    waiting = threading.Thread(target=run)
    waiting.start()
    time.sleep(1.0)
    assert (evaluator.keys, waiting.is_alive()) == ([], True)
    slow.finish(candidate, slow.record_stopped(candidate, "failed", {}, 1.0, "loss became nan in epoch 1"))
    waiting.join(120)
    assert len(evaluator.keys) == 1


def test_a_study_of_other_settings_or_of_another_program_is_refused(
    opened: Open, storages: Callable[[], BaseStorage]
) -> None:
    opened("one", blocks=4)
    with pytest.raises(UserError, match="a study with space.blocks=4, this command has 5; use the same"):
        opened("two", blocks=5)
    with pytest.raises(UserError, match="a study with space.blocks=4, this command has None"):
        opened("two")
    optuna.create_study(storage=storages(), study_name="theirs").optimize(lambda trial: 1.0, n_trials=1)
    with pytest.raises(UserError, match="'theirs': a study that nastk did not make"):
        opened("one", name="theirs")


@ON_BOTH
def test_drivers_that_start_at_once_with_other_settings_do_not_both_get_the_study(opened: Open) -> None:
    refused: list[str] = []
    start = threading.Barrier(4)

    def drive(index: int) -> None:
        start.wait()
        try:
            opened(f"driver {index}", blocks=index)
        except UserError as error:
            refused.append(str(error))

    _together([functools.partial(drive, index) for index in range(4)])
    assert len(refused) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"heartbeat": 0}, "heartbeat=0"), ({"grace": 15}, "at least twice"), ({"study": " "}, "study=' '")],
)
def test_sharing_is_checked(given: dict[str, object], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        replace(Sharing(), **given)  # type: ignore[arg-type]
