"""What another program, as a dashboard, does to a run's journal while the search is running."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from nastk.evaluators import Report
from nastk.evaluators.tabular import TabularEvaluator
from nastk.genotype import Genotype
from tests.commands import run

Capture = pytest.CaptureFixture[str]
Meddling = Callable[[BaseStorage, int], None]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def _meddle(monkeypatch: pytest.MonkeyPatch, folder: Path, meddling: Meddling, at: range) -> None:
    """Has the journal written to as a program does that opened it before, while candidates are evaluated."""
    evaluate, evaluated = TabularEvaluator.evaluate, []
    opened: list[JournalStorage] = []

    def meddled(evaluator: TabularEvaluator, genotype: Genotype, report: Report) -> dict[str, float]:
        if not opened:
            opened.append(JournalStorage(JournalFileBackend(str(folder / "study.journal"))))
        evaluated.append(genotype)
        if len(evaluated) in at:
            meddling(opened[0], opened[0].get_study_id_from_name("search"))
        return evaluate(evaluator, genotype, report)

    monkeypatch.setattr(TabularEvaluator, "evaluate", meddled)


def _note(storage: BaseStorage, study: int) -> None:
    """As optuna-dashboard keeps notes."""
    storage.set_study_system_attr(study, "dashboard:note_ver", 1)
    storage.set_study_system_attr(study, "dashboard:note_str:0", "look at this one")
    for trial in storage.get_all_trials(study):
        storage.set_study_system_attr(study, f"dashboard:{trial._trial_id}:note_str:0", "and this")


def _end(state: TrialState) -> Meddling:
    def end(storage: BaseStorage, study: int) -> None:
        values = [0.99] if state == TrialState.COMPLETE else None
        storage.set_trial_state_values(storage.get_all_trials(study)[-1]._trial_id, state, values)

    return end


def test_notes_that_are_added_while_a_search_runs_cost_no_trial_and_stay(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "noted"
    assert run(capsys, "search", *searched, "run=plain").code == 0
    with monkeypatch.context() as patch:
        _meddle(patch, folder, _note, range(1, 100))
        assert run(capsys, "search", *searched, "run=noted", "trials=5").code == 0
    assert run(capsys, "search", *searched, "run=noted").code == 0
    assert _rows(folder) == _rows(tmp_path / "runs" / "plain")
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    assert storage.get_study_system_attrs(0)["dashboard:note_str:0"] == "look at this one"


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.COMPLETE])
def test_a_trial_that_another_program_ends_is_lost_alone_and_the_same_command_goes_on(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, state: TrialState
) -> None:
    folder = tmp_path / "runs" / "a"
    with monkeypatch.context() as patch:
        _meddle(patch, folder, _end(state), range(3, 4))
        line = run(capsys, "search", *searched, "run=a")
    assert "another program ended a trial that was under way" in line.err
    assert line.code == 2
    before = _rows(folder)
    assert run(capsys, "search", *searched, "run=a").code == 0
    rows = _rows(folder)
    lost = [row for row in rows if row["reason"] == "another program ended it"]
    assert [row["state"] for row in lost] == ["failed"]
    assert [row for row in rows if row in before] == before
    assert len({row["key"] for row in rows if row["state"] == "complete"}) == 8


def test_a_journal_of_another_run_is_refused_and_the_trials_stay(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...]
) -> None:
    for name, seed in (("a", 2), ("b", 1)):
        assert run(capsys, "search", *searched, f"run={name}", f"seed={seed}").code == 0
    a, b = (tmp_path / "runs" / name for name in "ab")
    before = (a / "trials.jsonl").read_bytes()
    (a / "study.journal").write_bytes((b / "study.journal").read_bytes())
    refused = run(capsys, "search", *searched, "run=a", "seed=2", "trials=20")
    assert (refused.code, "which the study has not" in refused.err) == (2, True)
    assert (a / "trials.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["study.journal", "trials.jsonl"])
def test_what_cannot_be_read_is_one_line(capsys: Capture, tmp_path: Path, searched: tuple[str, ...], name: str) -> None:
    path = tmp_path / "runs" / "a" / name
    assert run(capsys, "search", *searched, "run=a", "trials=2").code == 0
    path.unlink()
    path.mkdir()
    assert f"{name}: cannot be read (Is a directory)" in run(capsys, "search", *searched, "run=a", "trials=2").line


@pytest.mark.parametrize("bytes_lost", [1, 20])
def test_a_last_line_that_was_cut_short_costs_no_trial(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], bytes_lost: int
) -> None:
    folder = tmp_path / "runs" / "cut"
    assert run(capsys, "search", *searched, "run=plain").code == 0
    assert run(capsys, "search", *searched, "run=cut", "trials=5").code == 0
    journal = folder / "study.journal"
    journal.write_bytes(journal.read_bytes()[:-bytes_lost])
    went_on = run(capsys, "search", *searched, "run=cut")
    assert went_on.code == 0, went_on.err
    assert "the last line of study.journal was unfinished" in went_on.err
    assert _rows(folder) == _rows(tmp_path / "runs" / "plain")
