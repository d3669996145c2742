"""A search whose study is in PostgreSQL, killed with -9: the same command goes on, with an unbroken one's trials."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server, half_written, left_over, rows
from tests.faults.conftest import SEARCH
from tests.postgresql import Database

SECONDS = 2.5  # a moment is drawn from so many; an unbroken search takes about as long


def test_a_search_on_postgresql_that_is_killed_goes_on(
    server: Server, unbroken: Path, tmp_path: Path, database: Database
) -> None:
    assert kill(server, unbroken, tmp_path / "run", database, random.Random(1), 2) > 0


@pytest.mark.slow
def test_fifty_random_kills_on_postgresql(server: Server, unbroken: Path, tmp_path: Path, database: Database) -> None:
    moments, killed, number = random.Random(4), 0, 0
    while killed < 50:
        number += 1
        killed += kill(server, unbroken, tmp_path / f"run{number}", database, moments, min(5, 50 - killed))


def kill(server: Server, unbroken: Path, run: Path, database: Database, moments: random.Random, kills: int) -> int:
    """Kills a search up to `kills` times, lets it end and holds its trials to the unbroken one's.

    Returns:
        how often it was killed before it had ended.
    """
    storage = ("storage=postgresql", f"storage.url={database.url}", f"storage.study={run.name}")
    hurt = Command("search", run, (*SEARCH, *storage, "storage.heartbeat=1", "storage.grace=2"))
    killed = 0
    while killed < kills:
        started = server.start(hurt, database.environment)
        started.wait_for(run / ".held")
        time.sleep(moments.uniform(0.0, SECONDS))
        started.signal(signal.SIGKILL)
        ended = started.end()
        assert ended.code in (0, -signal.SIGKILL), ended.said
        assert not list(half_written(run))
        if ended.code == 0:
            break
        killed += 1
    ended = server.run(hurt, database.environment)
    assert ended.code == 0, ended.said
    assert rows(run) == rows(unbroken / "search")
    assert not list(half_written(run))
    assert not left_over(run)
    return killed
