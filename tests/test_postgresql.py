"""The tests' own PostgreSQL server."""

from __future__ import annotations

from tests.postgresql import Database, Server


def test_a_database_is_fresh_and_its_url_has_no_password(database: Database, postgresql_server: Server) -> None:
    with postgresql_server.connection(database.name) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
    assert database.password not in database.url + repr(database) + repr(postgresql_server)
