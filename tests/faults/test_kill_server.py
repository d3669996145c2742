"""A PostgreSQL that is killed again and again under two drivers: both end, and every trial has its row."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import rows
from tests.postgresql import running_server
from tests.storages.conftest import searched
from tests.storages.drivers import Drivers

__all__ = ["searched"]

KILLS = 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_two_drivers_whose_server_is_killed_account_for_every_trial(
    searched: tuple[str, ...], tmp_path: Path, seed: int
) -> None:
    moments = random.Random(seed)
    with running_server() as server, contextlib.ExitStack() as stack:
        database = server.database()
        storage = ("storage=postgresql", f"storage.url={database.url}", "storage.study=shared")
        words = ("-m", "nastk.search", *searched, *storage, "trials=30", "storage.heartbeat=1", "storage.grace=8")
        drivers = Drivers(tmp_path / "runs", (), database.environment, words)
        both = [stack.enter_context(drivers.started(name)) for name in ("one", "two")]
        wait_for = [tmp_path / "runs" / name / "trials.jsonl" for name in ("one", "two")]
        while not all(path.exists() for path in wait_for):
            assert all(driver.poll() is None for driver in both), drivers.said("one") + drivers.said("two")
            time.sleep(0.05)
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.2, 1.5))
            server.stop(signal.SIGKILL)
            time.sleep(moments.uniform(0.1, 1.0))
            server.start()
        assert [driver.wait(300) for driver in both] == [0, 0], drivers.said("one") + drivers.said("two")
        with server.connection(database.name) as connection:
            states = connection.execute("SELECT number, state FROM trials ORDER BY number").fetchall()
    assert {state for _, state in states} <= {"COMPLETE", "PRUNED", "FAIL"}
    found = [{row["number"] for row in rows(tmp_path / "runs" / name)} for name in ("one", "two")]
    assert found[0] | found[1] == {number for number, _ in states}
