"""Several machines measure candidates at the same time, and the trials are those of one that measures in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from optuna.trial import Trial

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.executors.processes import ProcessesExecutor
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.trials import Row
from nastk.study import measuring
from nastk.study.ahead import CostModel
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.measuring import CostsAtOnce
from tests.simulated import Simulated, cost, inline, study_in

LIMITED = Objective(max_latency_ms=1.6)


def trials(folder: Path, model: CostModel, size: int = 3, count: int = 9) -> list[Row]:
    folder.mkdir(exist_ok=True)
    study, evaluator = study_in(folder, objective=LIMITED), Simulated()
    with inline(evaluator) as executor:
        search(study, executor, model, Budget(trials=count), lambda row: None, size=size)
    assert len(set(evaluator.keys)) == len(evaluator.keys)
    return study.rows


def essence(rows: list[Row]) -> list[tuple[object, ...]]:
    return [(row.number, row.state, row.key, dict(row.metrics), row.reason) for row in rows]


def begun(before: Callable[[], object]) -> Callable[[Genotype], Callable[[], Mapping[str, float]]]:
    def begin(genotype: Genotype) -> Callable[[], Mapping[str, float]]:
        assert threading.current_thread() is threading.main_thread()

        def measure() -> Mapping[str, float]:
            before()
            return cost(genotype)

        return measure

    return begin


def test_candidates_are_measured_at_once_and_judged_as_in_turn(tmp_path: Path) -> None:
    together = threading.Barrier(3)  # breaks where three do not measure at the same time
    met: list[int] = []

    def meets() -> None:
        if len(met) < 3:
            together.wait(20)
        met.append(1)

    found = trials(tmp_path / "a", CostsAtOnce(begun(meets), 3))
    assert {row.state for row in found} == {"complete", "rejected"}
    assert essence(found) == essence(trials(tmp_path / "b", cost))


def test_no_more_are_asked_for_than_a_round_or_the_budget_takes(tmp_path: Path) -> None:
    measured: list[int] = []
    rows = trials(tmp_path, CostsAtOnce(begun(lambda: measured.append(1)), 8), size=2, count=3)
    assert sum(row.state == "complete" for row in rows) == 3
    assert len(measured) == len({row.key for row in rows}), "each measured once, none for nothing"


def test_after_a_kill_new_ones_are_asked_for_when_as_many_are_judged(tmp_path: Path) -> None:
    told: dict[int, int] = {}

    def searched(folder: Path, ends_at: int | None = None) -> list[Row]:
        folder.mkdir(exist_ok=True)
        study, seen = study_in(folder, objective=Objective(max_latency_ms=1.0)), told
        new_trial = study._new_trial

        def asked() -> Trial:
            trial = new_trial()
            seen[trial.number] = len(study.rows)
            return trial

        def row_of(row: Row) -> None:
            if row.number == ends_at:
                raise KeyboardInterrupt

        study._new_trial = asked  # type: ignore[method-assign]
        with inline(Simulated()) as executor:
            search(study, executor, CostsAtOnce(begun(lambda: None), 3), Budget(trials=9), row_of, size=3)
        return study.rows

    whole = searched(tmp_path / "a")
    expected = dict(told)
    rejected = [row.number for row in whole if row.state == "rejected"]
    assert len(rejected) > 3
    for number in rejected[:4]:
        told.clear()
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path / f"b{number}", number)
        assert essence(searched(tmp_path / f"b{number}")) == essence(whole) and told == expected


def test_one_that_cannot_be_measured_fails_alone_and_a_mistake_ends_the_search(tmp_path: Path) -> None:
    def big(genotype: Genotype) -> Callable[[], Mapping[str, float]]:
        if int(genotype.key[:2], 16) % 2:
            raise EvaluationFailed("out of memory")
        return lambda: cost(genotype)

    rows = trials(tmp_path / "a", CostsAtOnce(big, 3))
    assert {row.reason for row in rows if row.state == "failed"} == {"out of memory"}
    assert all(row.state == "failed" for row in rows if int(row.key[:2], 16) % 2)

    def gone() -> None:
        raise UserError("target.hosts: none can measure")

    with pytest.raises(UserError, match="none can measure"):
        trials(tmp_path / "b", CostsAtOnce(begun(gone), 3))


def test_workers_train_what_several_machines_have_measured(tmp_path: Path) -> None:
    expected = essence(trials(tmp_path / "a", cost))
    (tmp_path / "b").mkdir()
    study = study_in(tmp_path / "b", objective=LIMITED)
    with ProcessesExecutor(simulated, parallel=2) as executor:
        model = CostsAtOnce(begun(lambda: None), 3)
        search(study, executor, model, Budget(trials=9), lambda row: None, size=3)
    assert essence(study.rows) == expected


def simulated(device: str | None) -> Simulated:
    return Simulated()


class Fitting:
    """Measures what was proposed twice before it is the candidate."""

    def __init__(self, model: CostModel) -> None:
        self.measures_by, self._known = model, dict[str, Mapping[str, float]]()

    def __call__(self, genotype: Genotype) -> Mapping[str, float]:
        return self._known[genotype.key]

    def fitted(self, genotype: Genotype) -> Genotype:
        for _ in range(2):
            self._known[genotype.key] = self.measures_by(genotype)
        return genotype


def fitted_trials(folder: Path, model: CostModel) -> list[Row]:
    fitting = Fitting(model)
    folder.mkdir(exist_ok=True)
    study = study_in(folder, objective=LIMITED)
    with inline(Simulated()) as executor:
        search(study, executor, fitting, Budget(trials=9), lambda row: None, size=3, fit=fitting.fitted)
    return study.rows


def test_candidates_are_fitted_at_once_each_by_one_measurement_after_the_other(tmp_path: Path) -> None:
    together = threading.Barrier(3)  # breaks where three do not measure at the same time
    met: list[int] = []

    def meets() -> None:
        if len(met) < 6:
            together.wait(20)
        met.append(1)

    found = fitted_trials(tmp_path / "a", CostsAtOnce(begun(meets), 3))
    assert essence(found) == essence(fitted_trials(tmp_path / "b", cost))
    assert len(met) == 2 * len({row.key for row in found}), "each proposal is fitted once"


@pytest.mark.parametrize("count", [1, 3])
def test_one_that_cannot_be_fitted_fails_alone(tmp_path: Path, count: int) -> None:
    def big(genotype: Genotype) -> Callable[[], Mapping[str, float]]:
        if int(genotype.key[:2], 16) % 2:
            raise EvaluationFailed("out of memory")
        return lambda: cost(genotype)

    found = fitted_trials(tmp_path, CostsAtOnce(big, count))
    failed = [row for row in found if row.reason == "out of memory"]
    assert failed and failed == [row for row in found if int(row.key[:2], 16) % 2 and row.state == "failed"]
    assert sum(row.state == "complete" for row in found) == 9


@pytest.mark.parametrize("searched", [trials, fitted_trials])
def test_one_that_hangs_is_not_waited_for_where_another_ends_the_search(
    tmp_path: Path, searched: Callable[[Path, CostModel], list[Row]]
) -> None:
    first, ended = threading.Lock(), threading.Event()

    def hangs() -> None:
        if not first.acquire(blocking=False):
            raise UserError("the model cannot run there")
        ended.wait(60)
        raise RuntimeError("ended")

    start = time.monotonic()
    with pytest.raises(UserError, match="cannot run there"):
        searched(tmp_path, CostsAtOnce(begun(hangs), 3, ended.set))
    left = [thread for thread in threading.enumerate() if thread.name.startswith("measuring")]
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left) and time.monotonic() - start < 30


def test_a_thread_that_measures_once_more_after_the_search_has_ended_ends_too(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "ENDING_SECONDS", 0.1)
    first, ended = threading.Lock(), threading.Event()

    def slow() -> None:
        if not first.acquire(blocking=False):
            raise UserError("the model cannot run there")
        ended.wait(60)

    with pytest.raises(UserError, match="cannot run there"):
        fitted_trials(tmp_path, CostsAtOnce(begun(slow), 3, lambda: None))
    left = [thread for thread in threading.enumerate() if thread.name.startswith("measuring")]
    ended.set()  # only now does it want to begin its second measurement
    for thread in left:
        thread.join(5)
    assert left and not any(thread.is_alive() for thread in left), "they would hold up the end of the process"
