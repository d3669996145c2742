"""A study in a PostgreSQL database that several drivers share."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage

from nastk.errors import UserError
from nastk.storages import Opening, Sharing
from nastk.storages.retrying import Retry, RetryingDatabase

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

EXPECTED = "expected postgresql://user@host:port/database"
CONNECT_SECONDS = 4  # for each address of the host, which may have two
LOST_SECONDS = 20  # a connection whose other end says nothing for so long is given up
TABLES_LOCK = 0x6E617374  # any number that all drivers agree on: one makes the tables, the others wait


@dataclass(frozen=True)
class Postgresql(Sharing):
    """Optuna's tables in a database.

    Attributes:
        url: postgresql://user@host:port/database. The password comes from PGPASSWORD or ~/.pgpass, as libpq reads it:
            a URL ends up in config.yaml, in logs and in the list of processes.

    Raises:
        UserError: no such URL, or one with a password.
    """

    url: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._parsed

    @property
    def sharing(self) -> Sharing:
        """How drivers share the study."""
        return Sharing(self.study, self.heartbeat, self.grace, self.patience)

    @property
    def _parsed(self) -> URL:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        if self.url is None:
            raise UserError(f"storage.url: not given, {EXPECTED}")
        try:
            url = make_url(self.url)
        except (ArgumentError, ValueError):
            raise UserError(f"storage.url: not understood, {EXPECTED}") from None  # a password may be anywhere in it
        if url.password is not None or "@" in (url.database or "") or any("password" in name for name in url.query):
            raise UserError(
                f"storage.url: has a password, which does not belong on a command line or in a file; {EXPECTED} "
                "and give the password as PGPASSWORD in the environment, or in ~/.pgpass"
            )
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise UserError(f"storage.url: {url.drivername!r} is no PostgreSQL, {EXPECTED}")
        if not url.database:
            raise UserError(f"storage.url={self.url!r}: names no database, {EXPECTED}")
        return url.set(drivername="postgresql+psycopg")

    def connect(self) -> Opening:
        """Reaches the database, and makes Optuna's tables where it has none.

        Raises:
            UserError: no answer within seconds, no such database, user or password, no right to make tables, or
                tables of another version of Optuna.
        """
        storage = self._opened()
        return lambda folder: storage

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turns the failure of a database that no longer answers into a UserError."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (StorageInternalError, SQLAlchemyError) as error:
            raise self._failure(error, "; what it has recorded is kept, the same command goes on") from None

    def _opened(self) -> BaseStorage:
        from sqlalchemy import NullPool, create_engine, text
        from sqlalchemy.exc import SQLAlchemyError

        url = self._parsed
        given: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "nastk",
            "tcp_user_timeout": 1000 * LOST_SECONDS,
            "keepalives_idle": LOST_SECONDS,
            "options": f"{url.query.get('options', '')} -c timezone=utc".strip(),  # heartbeats are without a time zone
        }
        try:
            locking = create_engine(url, connect_args=given, poolclass=NullPool)
            with locking.connect() as connection:
                connection.execute(text("SET lock_timeout = '8s'"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({TABLES_LOCK})"))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ExperimentalWarning)
                    storage = RDBStorage(
                        url.render_as_string().replace("{", "{{").replace("}", "}}"),  # Optuna takes it for a template
                        {"connect_args": given, "pool_pre_ping": True},
                        heartbeat_interval=self.heartbeat,
                        grace_period=self.grace,
                    )
                return RetryingDatabase(storage, Retry(_is_away, self.patience, self._where))
        except ModuleNotFoundError:
            raise UserError("storage=postgresql: needs psycopg; pip install 'nastk[postgresql]'") from None
        except RuntimeError as error:
            if "table schema" not in str(error):
                raise
            raise UserError(
                f"storage.url: {self._where}: its tables are of another version of Optuna; "
                "use a new database, or upgrade it as `optuna storage upgrade` does"
            ) from None
        except (StorageInternalError, SQLAlchemyError) as error:
            raise self._failure(error) from None

    @property
    def _where(self) -> str:
        url = self._parsed
        return f"database {url.database!r} on {url.host or 'this machine'}:{url.port or 5432}"

    def _failure(self, error: BaseException, after: str = "") -> UserError:
        cause: BaseException = error
        while (deeper := getattr(cause, "orig", None) or cause.__cause__) is not None:
            cause = deeper
        first = next((line for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        reason = re.sub(r"^.*?(FATAL|ERROR): +", "", first)[:200]
        return UserError(f"storage.url: {self._where}: {reason}{after}")


def _is_away(error: Exception) -> bool:
    """A connection that breaks within a transaction is told as one to be rolled back, which Optuna has done by then."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, OperationalError | InterfaceError | PendingRollbackError):
        return True
    return isinstance(cause, DBAPIError) and cause.connection_invalidated
