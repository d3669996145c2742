"""A study in a real PostgreSQL: the same trials as in a journal, wrong addresses, and a password that nobody sees."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import PendingRollbackError, ProgrammingError

from nastk.errors import UserError
from nastk.evaluators import Report
from nastk.evaluators.tabular import TabularEvaluator
from nastk.genotype import Genotype
from nastk.runs.folder import held
from nastk.storages.heartbeat import DatabasePulse
from nastk.storages.postgresql import Postgresql, _is_away
from tests.commands import Outcome, run
from tests.postgresql import Database, Server, running_server

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def password(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """Gives the database's password as a user does."""
    monkeypatch.setenv("PGPASSWORD", database.password)
    return database.password


def _storage(database: Database, *more: str) -> tuple[str, ...]:
    return "storage=postgresql", f"storage.url={database.url}", *more


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def _nowhere(password: str, folder: Path, *outcomes: Outcome) -> None:
    """Fails where the password was printed or written."""
    for outcome in outcomes:
        assert password not in outcome.out + outcome.err
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in written if password.encode() in path.read_bytes()] == []


def test_one_driver_proposes_what_it_proposes_with_a_journal_and_its_password_is_nowhere(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], database: Database, password: str
) -> None:
    here = run(capsys, "search", *searched, "run=here")
    there = run(capsys, "search", *searched, *_storage(database), "run=there", "trials=5")
    again = run(capsys, "search", *searched, *_storage(database), "run=there")
    report = run(capsys, "report", f"runs={tmp_path / 'runs'}", "run=there")
    assert [outcome.code for outcome in (here, there, again, report)] == [0, 0, 0, 0], again.err
    assert "going on after" in again.err
    runs = tmp_path / "runs"
    assert _rows(runs / "there") == _rows(runs / "here")
    config = OmegaConf.load(runs / "there" / "config.yaml")
    assert (config.storage.study, config.storage.url) == ("there", database.url)
    assert not list((runs / "there").glob("study.journal*"))
    other = run(capsys, "search", *searched, *_storage(database, "storage.study=there"), "run=other")
    assert other.code == 0
    assert _rows(runs / "other") == _rows(runs / "here")  # a driver's files cover the whole study
    for name in ("best.json", "pareto.json"):
        assert (runs / "other" / name).read_text() == (runs / "here" / name).read_text()
    _nowhere(password, tmp_path, there, again, report, other)


def test_a_folder_whose_study_is_elsewhere_does_not_change_its_place(
    capsys: Capture, searched: tuple[str, ...], database: Database, password: str
) -> None:
    assert run(capsys, "search", *searched, "run=a").code == 0
    assert "storage" in run(capsys, "search", *searched, *_storage(database), "run=a").line
    assert run(capsys, "search", *searched, *_storage(database), "run=b").code == 0
    assert "storage" in run(capsys, "search", *searched, "storage=journal", "run=b").line
    assert run(capsys, "search", *searched, "run=b").code == 0  # not given again, it is where it was


def test_a_second_driver_of_one_run_folder_is_refused_wherever_the_study_is(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], database: Database, password: str
) -> None:
    for storage in ((), _storage(database)):
        folder = tmp_path / "runs" / f"{len(storage)}"
        assert run(capsys, "search", *searched, *storage, f"run={folder.name}").code == 0
        with held(folder):
            line = run(capsys, "search", *searched, *storage, f"run={folder.name}", "trials=9").line
        assert f"in use by process {os.getpid()}; wait for it, or give another run=" in line


def test_a_study_of_another_space_or_objective_under_the_same_name_is_refused(
    capsys: Capture, searched: tuple[str, ...], database: Database, password: str
) -> None:
    shared = _storage(database, "storage.study=shared")
    assert run(capsys, "search", *searched, *shared, "run=a").code == 0
    line = run(capsys, "search", *searched, *shared, "run=b", "space.ops=[zero,conv_3x3]").line
    assert "storage.study='shared': a study with space.ops=['zero', 'identity', 'conv_3x3'], this command has" in line
    line = run(capsys, "search", *searched, *shared, "run=c", "objective=pareto").line
    assert "storage.study='shared'" in line
    assert "objective" in line


def test_tables_of_another_version_of_optuna_are_refused(
    capsys: Capture, searched: tuple[str, ...], database: Database, password: str, postgresql_server: Server
) -> None:
    assert run(capsys, "search", *searched, *_storage(database), "run=a").code == 0
    with postgresql_server.connection(database.name) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v3.0.0.a'")
    line = run(capsys, "search", *searched, *_storage(database), "run=b").line
    assert "its tables are of another version of Optuna" in line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("/test_", "/other_"), "does not exist"),
        (("nastk@", "stranger@"), "password authentication failed"),
        (("@127.0.0.1", "@localhost.invalid"), "localhost.invalid"),
    ],
)
def test_a_wrong_address_is_one_line_and_makes_no_run_folder(
    capsys: Capture,
    tmp_path: Path,
    searched: tuple[str, ...],
    database: Database,
    password: str,
    change: tuple[str, str],
    expected: str,
) -> None:
    start = time.monotonic()
    outcome = run(capsys, "search", *searched, "storage=postgresql", f"storage.url={database.url.replace(*change)}")
    assert expected in outcome.line
    assert time.monotonic() - start < 60
    assert not (tmp_path / "runs").exists()
    _nowhere(password, tmp_path, outcome)


def test_a_wrong_password_is_refused_and_not_printed(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "planted-and-wrong")
    outcome = run(capsys, "search", *searched, *_storage(database))
    assert "password authentication failed" in outcome.line
    monkeypatch.delenv("PGPASSWORD")
    assert "password" in run(capsys, "search", *searched, *_storage(database)).line
    _nowhere("planted-and-wrong", tmp_path, outcome)


@pytest.mark.parametrize("listens", [False, True])
def test_a_host_that_does_not_answer_is_one_line_soon(
    capsys: Capture, searched: tuple[str, ...], silent_port: int, listens: bool
) -> None:
    start = time.monotonic()
    address = f"storage.url=postgresql://me@127.0.0.1:{silent_port}/mine"
    line = run(capsys, "search", *searched, "storage=postgresql", address).line
    assert time.monotonic() - start < 60  # and no minutes, as by default
    assert ("timeout" if listens else "refused") in line
    assert "database 'mine' on 127.0.0.1" in line


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:planted@127.0.0.1/mine",
        "postgresql://me:pla@nted@127.0.0.1/mine",
        "postgresql://me:pla,nted$@127.0.0.1/mine",
        "postgresql://127.0.0.1/mine?user=me&password=planted",
        "postgresql//me:planted@127.0.0.1/mine",
        "mysql://me:planted@127.0.0.1/mine",
        "postgresql://me:planted@127.0.0.1:port/mine",
    ],
)
def test_a_password_in_the_address_is_refused_and_neither_printed_nor_written(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], url: str
) -> None:
    outcome = run(capsys, "search", *searched, "storage=postgresql", f"storage.url={url}", "run=a")
    assert "storage.url" in outcome.line
    assert "nted" not in outcome.out + outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://me@127.0.0.1/mine", "'mysql' is no PostgreSQL, expected postgresql://user@host:port/database"),
        ("postgresql://me@127.0.0.1", "names no database"),
        ("nonsense", "not understood, expected postgresql://"),
    ],
)
def test_an_address_of_another_kind_is_refused(url: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        Postgresql(url=url)


def test_an_address_is_needed(capsys: Capture, searched: tuple[str, ...]) -> None:
    assert "storage.url: not given" in run(capsys, "search", *searched, "storage=postgresql").line


class Restarted:
    """A server that is stopped when the third candidate is to be evaluated, and may come again."""

    def __init__(self, server: Server, away: float, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluate, self.evaluated = TabularEvaluator.evaluate, 0
        self.back = threading.Timer(away, server.start, [False])

        def stopping(evaluator: TabularEvaluator, genotype: Genotype, report: Report) -> dict[str, float]:
            self.evaluated += 1
            if self.evaluated == 3:
                server.stop(signal.SIGQUIT)
                self.back.start()
            return evaluate(evaluator, genotype, report)

        monkeypatch.setattr(TabularEvaluator, "evaluate", stopping)


def test_a_trial_whose_first_sign_of_life_meets_the_death_of_the_database_is_not_left_open(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], fragile: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = fragile.database()
    monkeypatch.setenv("PGPASSWORD", database.password)
    beat, trials = DatabasePulse.beat, set[int]()

    def dying(pulse: DatabasePulse, trial: int) -> None:
        if trial not in trials and len(trials) == 2:
            fragile.stop(signal.SIGQUIT)
            threading.Timer(1.0, fragile.start, [False]).start()
        trials.add(trial)
        beat(pulse, trial)

    monkeypatch.setattr(DatabasePulse, "beat", dying)
    outcome = run(capsys, "search", *searched, *_storage(database), "run=a", "storage.patience=60")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("does not answer; trying again") == 1
    numbers = [row["number"] for row in _rows(tmp_path / "runs" / "a")]
    assert numbers == list(range(len(numbers))) == list(range(len(trials)))


def test_a_connection_that_breaks_within_a_transaction_is_waited_for() -> None:
    broken = StorageInternalError("")
    broken.__cause__ = PendingRollbackError("Can't reconnect until invalid transaction is rolled back.")
    wrong = StorageInternalError("")
    wrong.__cause__ = ProgrammingError("SELECT", {}, Exception("no such column"))
    assert [_is_away(error) for error in (broken, broken.__cause__, wrong, KeyError())] == [True, True, False, False]


@pytest.fixture
def fragile() -> Iterator[Server]:
    """A server of the test's own."""
    with running_server() as server:
        yield server


def test_a_search_outlives_the_death_of_its_database_and_one_that_stays_away_ends_it_with_a_line(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], fragile: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = fragile.database()
    monkeypatch.setenv("PGPASSWORD", database.password)
    whole = run(capsys, "search", *searched, "run=whole")
    assert whole.code == 0
    with monkeypatch.context() as patched:
        restarted = Restarted(fragile, 1.0, patched)
        outcome = run(capsys, "search", *searched, *_storage(database), "run=a", "storage.patience=30")
        restarted.back.join()
    assert outcome.code == 0, outcome.err
    assert f"database '{database.name}' on 127.0.0.1:{database.port} does not answer; trying again" in outcome.err
    assert restarted.evaluated == 8
    assert _rows(tmp_path / "runs" / "a") == _rows(tmp_path / "runs" / "whole")
    with monkeypatch.context() as patched:
        restarted = Restarted(fragile, 60.0, patched)
        outcome = run(capsys, "search", *searched, *_storage(database), "run=b", "storage.patience=1")
        restarted.back.cancel()
    assert outcome.code == 2
    assert outcome.err.rstrip().endswith("refused; what it has recorded is kept, the same command goes on")
    fragile.start()
    again = run(capsys, "search", *searched, *_storage(database), "run=b", "storage.patience=1")
    assert "going on after" in again.err
    assert _rows(tmp_path / "runs" / "b") == _rows(tmp_path / "runs" / "whole")
    _nowhere(database.password, tmp_path, outcome, again)
