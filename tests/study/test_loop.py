"""Study and search loop: nothing trained twice, limits before training, reasons to end, kills at every line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.runs.trials import Row
from nastk.spaces import NasBench201Space
from nastk.storages.journal_file import open_journal, repair_journal
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.study import SearchStudy
from tests.simulated import Simulated, cost, inline, study_in


def _run(folder: Path, budget: Budget, **parts: object) -> tuple[SearchStudy, Simulated, str | None]:
    study = study_in(folder, **parts)  # type: ignore[arg-type]
    evaluator = Simulated()
    return study, evaluator, search(study, inline(evaluator), cost, budget, lambda row: None)


def test_trials_counts_different_trained_candidates_and_duplicates_copy_the_result(tmp_path: Path) -> None:
    study, evaluator, ended = _run(tmp_path, Budget(trials=150))
    assert ended is None
    assert len(evaluator.keys) == len(set(evaluator.keys)) == study.trained == 150
    duplicates = [row for row in study.rows if row.state == "duplicate"]
    assert duplicates  # 150 of 5,425 keys: some meet again (seeded)
    by_number = {row.number: row for row in study.rows}
    for row in duplicates:
        twin = by_number[int(row.reason.split()[5])]
        assert (twin.key, twin.metrics) == (row.key, row.metrics)
        assert twin.number < row.number
    values = {trial.number: trial.values for trial in study.study.trials}
    assert all(values[row.number] == [row.metrics["accuracy"]] for row in study.rows)


def test_a_candidate_over_a_limit_is_rejected_untrained_with_its_cost_and_reason(tmp_path: Path) -> None:
    study, evaluator, _ = _run(tmp_path, Budget(trials=20), objective=Objective(max_latency_ms=1.0))
    rejected = [row for row in study.rows if row.state == "rejected"]
    assert rejected
    for row in rejected:
        assert row.metrics["latency_ms"] > 1.0
        assert "is over 1" in row.reason
        assert row.key not in evaluator.keys
    assert all(row.metrics["latency_ms"] <= 1.0 for row in study.rows if row.state == "complete")
    trials = study.study.get_trials(deepcopy=False)
    assert all(trials[row.number].user_attrs["violation"] > 0 for row in rejected)


def test_limits_that_nothing_meets_end_the_search_with_the_nearest_miss(tmp_path: Path) -> None:
    study, evaluator, ended = _run(
        tmp_path, Budget(trials=5, max_rejections=30), objective=Objective(max_latency_ms=1e-6)
    )
    assert evaluator.keys == []
    assert ended is not None
    nearest = min((row for row in study.rows), key=lambda row: row.metrics["latency_ms"])
    assert f"nearest miss is trial {nearest.number}" in ended


def test_an_exhausted_space_ends_the_search_and_says_so(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    study.space = NasBench201Space(ops=("identity", "zero"))
    evaluator = Simulated()
    ended = search(study, inline(evaluator), cost, Budget(trials=100, max_duplicates=60), lambda row: None)
    assert ended is not None
    assert "no new cell" in ended
    assert 1 <= study.trained == len(set(evaluator.keys)) < 20


def test_a_failed_candidate_is_a_failed_trial_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    evaluator = Simulated(fails=lambda genotype: genotype.key < "8")
    assert search(study, inline(evaluator), cost, Budget(trials=10, max_failures=50), lambda row: None) is None
    failed = [row for row in study.rows if row.state == "failed"]
    assert failed
    assert all(row.reason == "loss became nan in epoch 1" for row in failed)
    assert study.trained == 10


def test_candidates_that_all_fail_end_the_search(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    ended = search(
        study, inline(Simulated(fails=lambda _: True)), cost, Budget(trials=5, max_failures=4), lambda row: None
    )
    assert ended is not None
    assert "4 candidates failed, none trained between" in ended


def test_metrics_that_are_not_finite_make_a_failed_trial(tmp_path: Path) -> None:
    class Diverged(Simulated):
        def evaluate(self, genotype: Genotype, report: object) -> dict[str, float]:
            return {"accuracy": float("nan"), "loss": 1.0}

    study = study_in(tmp_path)
    search(study, inline(Diverged()), cost, Budget(trials=5, max_failures=2), lambda row: None)
    assert {row.state for row in study.rows} == {"failed"}
    assert "accuracy=nan" in study.rows[0].reason
    assert "accuracy" not in study.rows[0].metrics


@pytest.mark.parametrize("controller", ["RandomSampler", "TPESampler"])
def test_killed_after_any_line_of_the_journal_the_search_goes_on_as_if_it_had_not_been(
    tmp_path: Path, controller: str
) -> None:
    objective = Objective(max_latency_ms=1.6)
    whole, _, _ = _run(tmp_path, Budget(trials=16), controller=controller, objective=objective)
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    expected = [_essence(row) for row in whole.rows]
    for cut in range(1, len(lines), 19):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        torn = lines[cut][: len(lines[cut]) // 2]
        (folder / "study.journal").write_bytes(b"".join(lines[:cut]) + torn)
        assert "taken off" in (repair_journal(folder) or "")
        study, evaluator, _ = _run(folder, Budget(trials=16), controller=controller, objective=objective)
        assert [_essence(row) for row in study.rows] == expected
        assert [trial.number for trial in study.study.trials] == list(range(len(expected)))
        before = {row.key for row in whole.rows if row.state == "complete"} - set(evaluator.keys)
        assert len(before) + len(evaluator.keys) == 16  # nothing finished was trained again


def _essence(row: Row) -> tuple[object, ...]:
    return row.number, row.state, row.key, dict(row.metrics), dict(row.choices)


def test_a_result_that_was_recorded_but_not_told_is_taken_without_training(tmp_path: Path) -> None:
    _run(tmp_path, Budget(trials=3))
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    assert b'"op_code":6' in lines[-1]
    (tmp_path / "study.journal").write_bytes(b"".join(lines[:-1]))
    study, evaluator, _ = _run(tmp_path, Budget(trials=3))
    assert (evaluator.keys, study.trained) == ([], 3)


def test_a_journal_that_lost_a_result_is_refused_by_trial(tmp_path: Path) -> None:
    _run(tmp_path, Budget(trials=3))
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    results = [index for index, line in enumerate(lines) if b'"outcome"' in line]
    del lines[results[1]]
    (tmp_path / "study.journal").write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="trial 1 has no 'outcome'"):
        study_in(tmp_path)


def test_a_study_of_another_objective_is_refused(tmp_path: Path) -> None:
    _run(tmp_path, Budget(trials=1))
    with pytest.raises(UserError, match="the study has the objectives"):
        study_in(tmp_path, objective=Objective(minimize=("latency_ms",)))


@pytest.mark.parametrize("name", ["trials", "max_duplicates", "max_rejections", "max_failures"])
def test_a_budget_below_one_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}=0"):
        Budget(**{name: 0})


def test_the_journal_is_optunas_and_any_optuna_tool_reads_it(tmp_path: Path) -> None:
    import optuna

    _run(tmp_path, Budget(trials=2))
    study = optuna.load_study(study_name="search", storage=open_journal(tmp_path))
    assert [trial.state.name for trial in study.trials].count("COMPLETE") == 2
