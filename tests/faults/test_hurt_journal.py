"""A journal that was cut short, emptied or exchanged, or whose lock a kill left: `report` repairs it, or says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import run
from tests.faults.commands import Server, rows
from tests.faults.conftest import command
from tests.storages.test_journal_lock import die_with_lock, never_waits

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(unbroken: Path, tmp_path: Path) -> Path:
    """The run folder of a search."""
    return Path(shutil.copytree(unbroken / "search", tmp_path / "run"))


@pytest.mark.parametrize("lost", [1, 40])
def test_a_last_line_cut_short_is_repaired_by_the_report_and_the_search_goes_on(
    capsys: Capture, server: Server, unbroken: Path, folder: Path, lost: int
) -> None:
    journal = folder / "study.journal"
    journal.write_bytes(journal.read_bytes()[:-lost])
    reported = run(capsys, "report", f"run={folder}")
    assert reported.code == 0, reported.err
    assert "the last line of study.journal was unfinished" in reported.err
    for line in journal.read_text().splitlines():
        json.loads(line)
    ended = server.run(command("search", folder))
    assert ended.code == 0, ended.said
    assert rows(folder) == rows(unbroken / "search")


def _of_another_run(whole: bytes) -> bytes:
    """As of a search whose candidates are others."""
    return whole.replace(b'"user_attr":{"key":"', b'"user_attr":{"key":"f')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: b"", "cut short, it has 0 finished trials"),
        (lambda whole: whole[: len(whole) // 2], "cut short, it has"),
        (lambda whole: b"a page of a thesis", "line 1 is damaged"),
        (lambda whole: b"[" * 100_000 + b"\n", "line 1 is damaged"),
        (lambda whole: b"1" * 5000 + b"\n", "line 1 is damaged"),
        (lambda whole: whole.replace(b'"op_code":4', b'"op_code":99', 1), "no journal of Optuna's"),
        (_of_another_run, "which the study has not"),
        (lambda whole: whole.replace(b'"study_name":"search"', b'"study_name":"theirs"'), "of no search"),
    ],
    ids=["emptied", "halved", "text", "deep", "number", "operation", "other_run", "other_study"],
)
def test_a_journal_that_is_not_the_runs_is_one_line_and_stays_as_it_is(
    capsys: Capture, folder: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    journal = folder / "study.journal"
    hurt = change(journal.read_bytes())
    journal.write_bytes(hurt)
    line = run(capsys, "report", f"run={folder}").line
    assert said in line
    assert f"the report is written: {folder / 'report.html'}" in line
    assert journal.read_bytes() == hurt
    assert "</html>" in (folder / "report.html").read_text()
    assert not list(folder.glob("study.journal.lock*"))


@pytest.mark.parametrize("renamed", [False, True])
def test_the_lock_of_a_killed_search_does_not_hold_the_report_up(
    capsys: Capture, folder: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    die_with_lock(folder / "study.journal")
    if renamed:
        folder = folder.rename(folder.with_name("renamed"))
    never_waits(monkeypatch)
    reported = run(capsys, "report", f"run={folder}")
    assert (reported.code, reported.err) == (0, ""), reported.err
    assert b"artifacts:" in (folder / "study.journal").read_bytes()
    assert not list(folder.glob("study.journal.lock*"))
