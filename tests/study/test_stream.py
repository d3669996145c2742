"""A search without rounds: no worker waits for another, and every trial is accounted for once, kills included."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.pruners import MedianPruner
from optuna.trial import TrialState

from nastk.evaluators import EvaluationFailed, Evaluator, Pruned
from nastk.executors import Next, NoTask, Result, Task
from nastk.executors.inline import InlineExecutor
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.spaces import NasBench201Space
from nastk.storages.journal_file import repair_journal
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.study import SearchStudy
from tests.simulated import Simulated, cost, study_in
from tests.study.test_pruning import Learning

LIMITED = Objective(max_latency_ms=1.6)


class Sliding(InlineExecutor):
    """Has so many candidates under way, of which the last or, every other time, the first ends."""

    rounds = False

    def __init__(self, evaluator: Evaluator, parallel: int = 3) -> None:
        super().__init__(lambda device: evaluator)
        self.parallel = parallel
        self.most = 0

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        under_way: deque[tuple[int, Task]] = deque()
        taken = 0
        while True:
            offered = more() if len(under_way) < self.parallel else NoTask.WAIT
            if isinstance(offered, Task):
                under_way.append((taken, offered))
                taken += 1
            self.most = max(self.most, len(under_way))
            if offered is not NoTask.WAIT:
                continue
            if not under_way:
                return
            index, task = under_way.pop() if taken % 2 else under_way.popleft()
            try:
                yield index, self.evaluator.evaluate(task.genotype, task.begin())
            except (EvaluationFailed, Pruned) as stopped:
                yield index, stopped


def _search(study: SearchStudy, evaluator: Simulated, **budget: int) -> str | None:
    return search(study, Sliding(evaluator), cost, Budget(**{"trials": 12, **budget}), lambda row: None)


def _accounted(study: SearchStudy, trained: int) -> None:
    """Every trial has one row and one end; so many different cells were trained."""
    numbers = [row.number for row in study.rows]
    assert numbers == list(range(len(numbers))) == [trial.number for trial in study.study.trials]
    assert all(trial.state != TrialState.RUNNING for trial in study.study.trials)
    keys = [row.key for row in study.rows if row.state in ("complete", "pruned")]
    assert len(keys) == len(set(keys)) == study.trained == trained


def test_the_next_candidate_is_proposed_when_one_ends_and_never_too_many(tmp_path: Path) -> None:
    study, evaluator = study_in(tmp_path), Simulated()
    executor = Sliding(evaluator)
    states: list[tuple[int, int]] = []

    def trained(_: object) -> None:
        found = [trial.state for trial in study.study.get_trials(deepcopy=False)]
        states.append((found.count(TrialState.RUNNING), found.count(TrialState.COMPLETE)))

    assert search(study, executor, cost, Budget(trials=7), lambda row: None, trained) is None
    assert executor.most == 3
    assert states == [(3, done) for done in range(5)] + [(2, 5), (1, 6)]
    assert len(evaluator.keys) == 7
    _accounted(study, 7)


def test_killed_after_any_line_of_the_journal_each_trial_is_accounted_for_once(tmp_path: Path) -> None:
    study = study_in(tmp_path, objective=LIMITED)
    assert _search(study, Simulated()) is None
    assert {row.state for row in study.rows} >= {"complete", "rejected"}
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    results = [index for index, line in enumerate(lines) if b'"like":"complete"' in line and b"the same" not in line]
    for cut in range(1, len(lines), 11):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
        repair_journal(folder)
        again, evaluator = study_in(folder, objective=LIMITED), Simulated()
        assert _search(again, evaluator) is None
        _accounted(again, 12)
        assert len(evaluator.keys) == 12 - sum(index < cut for index in results), lines[cut - 1]


def test_a_cell_that_is_under_way_is_not_trained_again(tmp_path: Path) -> None:
    study, evaluator = study_in(tmp_path), Simulated()
    study.space = NasBench201Space(ops=("identity", "zero", "avg_pool_3x3"))
    assert search(study, Sliding(evaluator, parallel=8), cost, Budget(trials=20), lambda row: None) is None
    assert len(evaluator.keys) == len(set(evaluator.keys)) == 20
    by_number = {row.number: row for row in study.rows}
    twins = [row for row in study.rows if row.state == "duplicate"]
    assert all(by_number[int(row.reason.split()[5])].metrics == row.metrics for row in twins)
    _accounted(study, 20)


def test_failures_are_made_up_for_and_pruned_candidates_count(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    assert _search(study, Simulated(fails=lambda genotype: genotype.key < "6"), max_failures=50) is None
    assert any(row.state == "failed" for row in study.rows)
    _accounted(study, 12)
    (tmp_path / "pruned").mkdir()
    study = study_in(tmp_path / "pruned", pruner=MedianPruner(n_startup_trials=4))
    assert _search(study, Learning()) is None
    assert {row.state for row in study.rows} == {"complete", "pruned"}
    _accounted(study, 12)


@pytest.mark.parametrize(
    ("evaluator", "given", "message"),
    [
        (Simulated(fails=lambda _: True), {"max_failures": 4}, "candidates failed, none trained between"),
        (Simulated(), {"trials": 100, "max_duplicates": 60}, "no new cell"),
    ],
)
def test_there_is_an_end_where_nothing_new_comes(
    tmp_path: Path, evaluator: Simulated, given: dict[str, int], message: str
) -> None:
    study = study_in(tmp_path)
    study.space = NasBench201Space(ops=("identity", "zero"))
    ended = _search(study, evaluator, **given)
    assert ended is not None
    assert message in ended


def test_a_bug_ends_the_search_and_the_open_trials_are_gone_on_with(tmp_path: Path) -> None:
    class Falls(Simulated):
        def evaluate(self, genotype: Genotype, report: Callable[[int, float], None]) -> dict[str, float]:
            if len(self.keys) == 5:
                raise ZeroDivisionError
            return super().evaluate(genotype, report)

    with pytest.raises(ZeroDivisionError):
        _search(study_in(tmp_path), Falls())
    study, evaluator = study_in(tmp_path), Simulated()
    _search(study, evaluator)
    assert len(evaluator.keys) == 12 - 5
    _accounted(study, 12)
