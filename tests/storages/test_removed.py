"""A study that is removed while its search runs: one line, and the run's trials stay."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nastk.evaluators import Report
from nastk.evaluators.tabular import TabularEvaluator
from nastk.genotype import Genotype
from nastk.storages.journal_file import open_journal
from tests.commands import run
from tests.postgresql import Database

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("kind", ["journal", "postgresql", "grpc"])
def test_a_study_that_another_program_removes_is_one_line_and_the_trials_stay(
    capsys: Capture,
    tmp_path: Path,
    searched: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    folder, evaluate = tmp_path / "runs" / "a", TabularEvaluator.evaluate
    storage: tuple[str, ...] = ()
    database: Database | None = None
    if kind != "journal":
        database = request.getfixturevalue("database")
        monkeypatch.setenv("PGPASSWORD", database.password)
        storage = ("storage=postgresql", f"storage.url={database.url}")
    if kind == "grpc":
        pytest.importorskip("grpc")
        storage = ("storage=grpc", f"storage.port={request.getfixturevalue('proxy')}")
    evaluated: list[Genotype] = []

    def removing(evaluator: TabularEvaluator, genotype: Genotype, report: Report) -> dict[str, float]:
        evaluated.append(genotype)
        if len(evaluated) == 3:
            url = database.url.replace("postgresql:", "postgresql+psycopg:") if database is not None else ""
            where = url or open_journal(folder)
            optuna.delete_study(study_name="a" if url else "search", storage=where)
        return evaluate(evaluator, genotype, report)

    with monkeypatch.context() as patch:
        patch.setattr(TabularEvaluator, "evaluate", removing)
        stopped = run(capsys, "search", *searched, *storage, "run=a")
    assert stopped.code == 2, stopped.err
    assert stopped.err.count("\nnastk: ") == 1, stopped.err
    assert "another program renamed or removed it" in stopped.err
    before = (folder / "trials.jsonl").read_bytes()
    again = run(capsys, "search", *searched, *storage, "run=a")
    assert "trials.jsonl: has trial 0 as complete, which the study has not" in again.line
    assert (folder / "trials.jsonl").read_bytes() == before
