"""What a start of Ray would otherwise leave behind or say: a secret in a file, a signal handler, notices."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps what Ray says of lost workers and machines off the terminal: a trial's row says it, in one line.

    Ray has no setting for it: `log_to_driver=False` leaves these.
    """
    from ray._private import worker

    said = getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = said


@contextlib.contextmanager
def own_token() -> Iterator[None]:
    """Gives a Ray of the search's own a secret that only its processes know.

    Ray asks for one by default, and would write it into the home folder, where every user of the machine can read it.
    """
    if any(name in os.environ for name in TOKEN):
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    _forget_token()
    try:
        yield
    finally:
        for name in TOKEN:
            os.environ.pop(name, None)
        _forget_token()


def _forget_token() -> None:
    importlib.import_module("ray._raylet").AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def sigterm_kept() -> Iterator[None]:
    """Ray puts a handler of its own in place of the program's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def short_folder() -> str | None:
    """Returns where Ray's sockets can lie, whose paths must be short: None for the usual place."""
    return None if len(tempfile.gettempdir()) < 30 or not Path("/tmp").is_dir() else "/tmp"
