"""Two real searches on one PostgreSQL study: one is killed with -9, the other takes its candidate over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgresql import Database, Server

SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=2", "trials=3", "controller=random", "seed=7"),
    *("evaluator.epochs=2", "data.subset=400", "evaluator.network.filters=4", "evaluator.threads=1"),
    *("storage=postgresql", "storage.study=shared", "storage.heartbeat=1", "storage.grace=8"),
)


@contextmanager
def _driver(database: Database, runs: Path, run: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, *SEARCH, f"storage.url={database.url}", f"runs={runs}", f"run={run}"]
    with (runs.parent / f"{run}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=dict(database.environment))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def _training(server: Server, database: Database, driver: Path) -> list[int]:
    """Returns the numbers of the trials that a driver has claimed and has no result of."""
    name = json.loads((driver / ".driver").read_text())["driver"] if (driver / ".driver").exists() else ""
    with server.connection(database.name) as connection:
        if connection.execute("SELECT to_regclass('trial_user_attributes')").fetchone() == (None,):
            return []
        found = connection.execute(
            """SELECT number FROM trials JOIN trial_user_attributes AS of USING (trial_id)
            WHERE state = 'RUNNING' GROUP BY number
            HAVING bool_or(of.key = 'claimed') AND bool_or(of.key = 'cost') AND NOT bool_or(of.key = 'outcome')
            AND bool_or(of.key = 'driver' AND of.value_json = %s)""",
            [json.dumps(name)],
        )
        return [number for (number,) in found.fetchall()]


def test_a_driver_that_is_killed_costs_no_trial_and_its_command_goes_on(
    tmp_path: Path, database: Database, postgresql_server: Server
) -> None:
    runs = tmp_path / "runs"
    deadline = time.monotonic() + 300
    with _driver(database, runs, "one") as one, _driver(database, runs, "two") as two:
        while not (dead := _training(postgresql_server, database, runs / "one")):
            assert one.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(one.pid, signal.SIGKILL)
        assert two.wait(300) == 0, (tmp_path / "two.log").read_text()
    rows = _rows(runs / "two")
    lost = [row for row in rows if row["reason"] == "its driver died"]
    assert [row["number"] for row in lost] == dead
    trained = Counter(row["key"] for row in rows if row["state"] == "complete")
    assert len(trained) == 3
    assert set(trained.values()) == {1}
    assert trained[lost[0]["key"]] == 1  # the other has trained it
    assert [row["number"] for row in rows] == list(range(len(rows)))
    with _driver(database, runs, "one") as one:
        assert one.wait(300) == 0, (tmp_path / "one.log").read_text()
    assert _rows(runs / "one") == rows
    assert (runs / "one" / "best.json").read_text() == (runs / "two" / "best.json").read_text()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or database.password.encode() not in path.read_bytes()
