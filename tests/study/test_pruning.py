"""Early stopping: with one objective by Optuna, with several by dominance at the same epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

from nastk.errors import UserError
from nastk.evaluators import Report
from nastk.genotype import Genotype
from nastk.objective import Objective
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.pruning import ParetoPruner, Pruner, check_pruner
from nastk.study.study import SearchStudy
from tests.simulated import Simulated, accuracy, cost, inline, study_in

TWO = Objective(maximize=("accuracy",), minimize=("latency_ms",))


class Learning(Simulated):
    """Accuracy rises over 8 epochs to what the key says; counts the epochs that it was let train."""

    epochs = 8
    spent = 0

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        self.keys.append(genotype.key)
        for epoch in range(1, 9):
            self.spent += 1
            report(epoch, accuracy(genotype) * (1 - 0.5**epoch))
        return {"accuracy": accuracy(genotype) * (1 - 0.5**8)}


def _searched(folder: Path, objective: Objective, pruner: Pruner) -> tuple[SearchStudy, Learning]:
    folder.mkdir()
    study = study_in(folder, objective=objective, pruner=pruner)
    evaluator = Learning()
    search(study, inline(evaluator), cost, Budget(trials=60), lambda row: None)
    return study, evaluator


@pytest.mark.parametrize(("objective", "pruner"), [(Objective(), MedianPruner()), (TWO, ParetoPruner())])
def test_stopping_saves_epochs_and_keeps_the_front(tmp_path: Path, objective: Objective, pruner: Pruner) -> None:
    whole, all_epochs = _searched(tmp_path / "whole", objective, NopPruner())
    study, evaluator = _searched(tmp_path / "stopped", objective, pruner)
    assert evaluator.keys == all_epochs.keys  # random proposals: the same candidates in both
    pruned = [row for row in study.rows if row.state == "pruned"]
    assert len(pruned) >= 10
    assert evaluator.spent < 0.75 * all_epochs.spent
    assert all(row.reason and row.metrics["epochs"] < 8 for row in pruned)

    def front(searched: SearchStudy) -> list[str]:
        return objective.front([(row.key, row.metrics) for row in searched.rows if row.state == "complete"])

    assert front(study)[0] == front(whole)[0]
    if objective is TWO:  # curves do not cross here, so a dominated candidate would have stayed dominated
        assert front(study) == front(whole)


def test_a_candidate_is_held_against_others_at_its_own_epoch(tmp_path: Path) -> None:
    study, _ = _searched(tmp_path / "a", TWO, ParetoPruner(startup=1000))
    finished = [trial for trial in study.study.trials if trial.user_attrs.get("state") == "complete"]
    pruner = ParetoPruner()
    metrics = {"latency_ms": 1.0}
    for epoch in (1, 5):
        expected = sum(
            trial.user_attrs["metrics"]["latency_ms"] <= 1.0 and trial.user_attrs["accuracies"][epoch - 1] >= 0.3
            for trial in finished
        )
        assert pruner.dominators(0.3, metrics, epoch, finished, TWO) == expected
    assert pruner.dominators(1.0, {"latency_ms": 0.0}, 3, finished, TWO) == 0


@pytest.mark.parametrize(
    "pruner",
    [MedianPruner(n_startup_trials=2, n_warmup_steps=3), SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)],
)
def test_killed_between_epochs_a_candidate_is_stopped_where_it_would_have_been(tmp_path: Path, pruner: Pruner) -> None:
    budget = Budget(trials=8)

    def essence(folder: Path) -> list[tuple[object, ...]]:
        study = study_in(folder, pruner=pruner)
        search(study, inline(Learning()), cost, budget, lambda row: None)
        return [(row.number, row.state, dict(row.metrics), row.reason) for row in study.rows]

    expected = essence(tmp_path)
    assert {state for _, state, _, _ in expected} == {"complete", "pruned"}
    lines = (tmp_path / "study.journal").read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines), 11):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:cut]))
        assert essence(folder) == expected, lines[cut - 1]


@pytest.mark.parametrize(
    ("pruner", "objective", "message"),
    [
        (MedianPruner(), TWO, "use pruner=pareto"),
        (MedianPruner(), Objective(maximize=(), minimize=("latency_ms",)), "does not maximize"),
        (Objective(), Objective(), "expected an Optuna pruner"),
    ],
)
def test_a_pruner_that_cannot_serve_is_refused(pruner: object, objective: Objective, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_pruner(pruner, objective)


@pytest.mark.parametrize("name", ["dominated_by", "startup"])
def test_an_impossible_pruner_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}=0"):
        ParetoPruner(**{name: 0})
