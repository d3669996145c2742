"""A proposal's choices reach the journal at once, in their order, and none is lost to a disk that was full."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, Trial

from nastk.errors import UserError
from nastk.storages.journal_file import Journal, open_journal

CHOSEN = {"a": 3, "b": 7}


def _chosen(folder: Path) -> Trial:
    study = optuna.create_study(storage=open_journal(folder), study_name="search", load_if_exists=True)
    trial = study.ask()
    for name, value in CHOSEN.items():
        assert trial.suggest_categorical(name, (value,)) == value
    return trial


def _kept(folder: Path) -> FrozenTrial:
    return optuna.load_study(storage=open_journal(folder), study_name="search").get_trials()[-1]


def test_choices_are_on_the_disk_with_the_next_entry_and_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = _chosen(tmp_path)
    assert _kept(tmp_path).params == {}
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), fsync(number))[1])
    trial.set_user_attr("key", "k")
    assert len(synced) == 1
    kept = _kept(tmp_path)
    assert (kept.params, kept.user_attrs) == (CHOSEN, {"key": "k"})
    lines = (tmp_path / "study.journal").read_text().splitlines()
    assert ['"param_name"' in line for line in lines[-3:]] == [True, True, False]


def test_the_process_that_chose_sees_its_choices_when_the_next_trial_is_asked_for(tmp_path: Path) -> None:
    trial = _chosen(tmp_path)
    trial.study.ask()
    assert trial.study.get_trials()[0].params == CHOSEN


def test_choices_wait_on_where_the_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = _chosen(tmp_path)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            trial.set_user_attr("key", "k")
    trial.set_user_attr("key", "k")
    assert _kept(tmp_path).params == CHOSEN


def test_a_journal_of_another_entry_kind_alone_is_written_at_once(tmp_path: Path) -> None:
    storage = JournalStorage(Journal(tmp_path / "study.journal"))
    storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "search")
    assert len((tmp_path / "study.journal").read_text().splitlines()) == 1
