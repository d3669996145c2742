"""Two real searches on one PostgreSQL study: one is killed with -9, the other takes its candidate over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.postgresql import Database, Server
from tests.storages.drivers import Drivers, check_taken_over


def _training(server: Server, database: Database, name: str) -> list[int]:
    """Returns the numbers of the trials that a driver has claimed and has no result of."""
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


@pytest.mark.slow
def test_a_driver_that_is_killed_costs_no_trial_and_its_command_goes_on(
    tmp_path: Path, database: Database, postgresql_server: Server
) -> None:
    storage = ("storage=postgresql", f"storage.url={database.url}")
    drivers = Drivers(tmp_path / "runs", storage, database.environment)
    check_taken_over(drivers, lambda name: _training(postgresql_server, database, name))
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or database.password.encode() not in path.read_bytes()
