"""Rounds: what is proposed and judged side by side depends on finished rounds alone, whoever trains it and whenever."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from nastk.controllers import LocalSearch, PerTrial
from nastk.executors import Executor, Next, NoTask, Result, Task
from nastk.executors.inline import InlineExecutor
from nastk.executors.processes import ProcessesExecutor
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.trials import Row
from nastk.spaces import NasBench201Space
from nastk.storages.journal_file import open_journal, repair_journal
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.pruning import ParetoPruner
from nastk.study.study import SearchStudy
from tests.simulated import Simulated, cost, inline, study_in
from tests.study.test_pruning import TWO, Learning

LIMITED = Objective(max_latency_ms=1.6)


class Backwards(InlineExecutor):
    """Trains the last first, and reports the epochs of all before it says how any ended."""

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        tasks: list[Task] = []
        while isinstance(offered := more(), Task):
            tasks.append(offered)
        left = reversed(tasks)
        results = list(super().stream(lambda: next(left, NoTask.WAIT)))
        for index, result in results:
            yield len(tasks) - 1 - index, result


def _search(study: SearchStudy, executor: Executor, trials: int = 10, size: int = 3) -> list[tuple[object, ...]]:
    with executor:
        search(study, executor, cost, Budget(trials=trials), lambda row: None, size=size)
    return [_essence(row) for row in study.rows]


def _essence(row: Row) -> tuple[object, ...]:
    return row.number, row.state, row.key, dict(row.metrics), dict(row.choices), row.reason


@pytest.mark.parametrize(
    "sampler",
    [
        functools.partial(PerTrial, "optuna.samplers.TPESampler", seed=3, settings={"n_startup_trials": 4}),
        functools.partial(LocalSearch, seed=3, start=4),  # knows what is under way beside a proposal
    ],
)
def test_killed_after_any_line_of_the_journal_the_rounds_go_on_as_if_it_had_not_been(
    tmp_path: Path, sampler: Callable[[], BaseSampler]
) -> None:
    def opened(folder: Path) -> SearchStudy:
        return SearchStudy(open_journal(folder), sampler(), NasBench201Space(), LIMITED)

    whole = _search(opened(tmp_path), inline(Simulated()))
    assert {row[1] for row in whole} >= {"complete", "rejected"}
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    tells = [index for index, line in enumerate(lines) if b'"op_code":6' in line]
    results = [index for index, line in enumerate(lines) if b'"like":"complete"' in line and b"the same" not in line]
    for cut in sorted({*range(1, len(lines), 37), *tells[::4]}):  # also where a part of a round was told
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
        assert "taken off" in (repair_journal(folder) or "")
        study, evaluator = opened(folder), Simulated()
        assert _search(study, inline(evaluator)) == whole, lines[cut - 1]
        recorded = sum(index < cut for index in results)
        assert len(evaluator.keys) == 10 - recorded  # what had its result is not trained again, told or not
        assert all(trial.state != TrialState.RUNNING for trial in study.study.trials)


@pytest.mark.parametrize(
    ("pruner", "objective"),
    [
        (MedianPruner(n_startup_trials=4), Objective()),
        (SuccessiveHalvingPruner(min_resource=1, reduction_factor=2), Objective()),
        (ParetoPruner(startup=3, dominated_by=1), TWO),
    ],
)
def test_a_verdict_depends_neither_on_the_order_of_the_candidates_under_way_nor_on_a_kill(
    tmp_path: Path, pruner: BasePruner | ParetoPruner, objective: Objective
) -> None:
    study = functools.partial(study_in, objective=objective, pruner=pruner)
    whole = _search(study(tmp_path), inline(Learning()))
    assert {row[1] for row in whole} == {"complete", "pruned"}
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    backwards = tmp_path / "backwards"
    backwards.mkdir()
    assert _search(study(backwards), Backwards(lambda device: Learning())) == whole
    for cut in range(1, len(lines), 61):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:cut]))
        assert _search(study(folder), inline(Learning())) == whole, lines[cut - 1]


def test_worker_processes_give_the_trials_of_one_process(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    expected = _search(study_in(tmp_path / "a", objective=LIMITED), inline(Simulated()))
    executor = ProcessesExecutor(_simulated, parallel=3, preload=["tests.simulated"])
    assert _search(study_in(tmp_path / "b", objective=LIMITED), executor) == expected
    executor = ProcessesExecutor(_simulated, parallel=2, preload=["tests.simulated"])
    assert _search(study_in(tmp_path / "c", objective=LIMITED), executor) == expected  # fewer workers than a round has


def _simulated(device: str | None) -> Simulated:
    return Simulated()


class Asked(Simulated):
    """Notes which trials the study had finished when a candidate was trained, and what ran beside it."""

    def __init__(self, study: SearchStudy) -> None:
        super().__init__()
        self.study = study
        self.seen: list[tuple[int, ...]] = []

    def evaluate(self, genotype: Genotype, report: Callable[[int, float], None]) -> dict[str, float]:
        states = [trial.state for trial in self.study.study.get_trials(deepcopy=False)]
        self.seen.append((states.count(TrialState.RUNNING), states.count(TrialState.COMPLETE)))
        return super().evaluate(genotype, report)


def test_a_round_is_proposed_before_any_of_it_is_trained_and_told_after_all_of_it(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    evaluator = Asked(study)
    _search(study, inline(evaluator), trials=7, size=3)
    assert evaluator.seen == [(3, 0)] * 3 + [(3, 3)] * 3 + [(1, 6)]  # the last round only spends the budget


def test_a_cell_that_is_proposed_twice_in_a_round_is_trained_once(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    study.space = NasBench201Space(ops=("identity", "zero", "avg_pool_3x3"))
    evaluator = Simulated()
    rows = _search(study, inline(evaluator), trials=20, size=8)
    assert len(evaluator.keys) == len(set(evaluator.keys)) == study.trained == 20
    twins = [row for row in study.rows if row.state == "duplicate"]
    within = [row for row in twins if int(row.reason.split()[5]) > row.number - 8]
    assert within  # seeded
    numbers = [row[0] for row in rows]
    assert numbers == list(range(len(numbers)))
    by_number = {row.number: row for row in study.rows}
    assert all(by_number[int(row.reason.split()[5])].metrics == row.metrics for row in twins)


def test_a_space_smaller_than_a_round_ends_the_search(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    study.space = NasBench201Space(ops=("identity", "zero"))
    executor = inline(Simulated())
    ended = search(study, executor, cost, Budget(trials=100, max_duplicates=60), lambda row: None, size=64)
    assert ended is not None
    assert "no new cell" in ended


def test_a_trained_candidate_is_shown_before_its_round_is_told(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    events: list[tuple[str, int]] = []
    search(
        study,
        inline(Simulated()),
        cost,
        Budget(trials=2),
        lambda row: events.append(("told", row.number)),
        lambda row: events.append(("trained", row.number)),
        size=2,
    )
    assert events == [("trained", 0), ("trained", 1), ("told", 0), ("told", 1)]


def test_an_interrupted_round_is_finished_by_a_search_of_another_size(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    class Falls(Simulated):
        def evaluate(self, genotype: Genotype, report: Callable[[int, float], None]) -> dict[str, float]:
            if len(self.keys) == 5:
                raise KilledError
            return super().evaluate(genotype, report)

    with pytest.raises(KilledError):
        _search(study_in(tmp_path), inline(Falls()), trials=16, size=4)
    study, evaluator = study_in(tmp_path), Simulated()
    _search(study, inline(evaluator), trials=16, size=1)
    assert len(evaluator.keys) == 16 - 5
    assert len({row.key for row in study.rows if row.state == "complete"}) == study.trained == 16
    assert [trial.state for trial in study.study.trials].count(TrialState.RUNNING) == 0
