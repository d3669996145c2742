"""A search whose study is in PostgreSQL, killed with -9: the same command goes on, with an unbroken one's trials."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server, half_written, left_over, rows
from tests.faults.conftest import SEARCH
from tests.postgresql import Database


def test_a_search_on_postgresql_that_is_killed_goes_on(
    server: Server, unbroken: Path, tmp_path: Path, database: Database
) -> None:
    kill(server, unbroken, tmp_path / "run", database, (0.3, 0.8, 1.3))


@pytest.mark.slow
def test_twenty_random_kills_on_postgresql(server: Server, unbroken: Path, tmp_path: Path, database: Database) -> None:
    moments = random.Random(4)
    for number in range(5):
        kill(server, unbroken, tmp_path / f"run{number}", database, [moments.uniform(0.0, 2.0) for _ in range(4)])


def kill(server: Server, unbroken: Path, run: Path, database: Database, moments: Sequence[float]) -> None:
    """Kills a search at moments after it holds its folder, lets it end, and holds its trials to the unbroken one's."""
    storage = ("storage=postgresql", f"storage.url={database.url}", f"storage.study={run.name}")
    hurt = Command("search", run, (*SEARCH, *storage, "storage.heartbeat=1", "storage.grace=2"))
    for moment in moments:
        started = server.start(hurt, database.environment)
        started.wait_for(run / ".held")
        time.sleep(moment)
        started.signal(signal.SIGKILL)
        assert started.end().code in (0, -signal.SIGKILL)
        assert not list(half_written(run))
    ended = server.run(hurt, database.environment)
    assert ended.code == 0, ended.said
    assert rows(run) == rows(unbroken / "search")
    assert not list(half_written(run))
    assert not left_over(run)
