"""The tests' own PostgreSQL server."""

from __future__ import annotations

import pytest

from tests import postgresql
from tests.postgresql import Database, Server


def test_a_database_is_fresh_and_its_url_has_no_password(database: Database, postgresql_server: Server) -> None:
    with postgresql_server.connection(database.name) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
    assert database.password not in database.url + repr(database) + repr(postgresql_server)


def test_a_machine_without_a_server_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise FileNotFoundError(f"no {name}")

    pytest.importorskip("psycopg")
    monkeypatch.setattr(postgresql, "_binary", missing)
    assert postgresql.cannot_start() == "no initdb"
