"""What every test may count on, however the suite was started: in a terminal, in the background, under nohup."""

from __future__ import annotations

import gc
import os
import signal

import pytest

from tests.postgresql import database, postgresql_server  # noqa: F401 - fixtures

# One thread a computation: several on a machine that is busy with something else wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for variable in ("COLUMNS", "LINES", "NASTK_ALLOW_TARGETS", "NASTK_SSH", "WANDB_MODE", "HYDRA_FULL_ERROR"):
    os.environ.pop(variable, None)
# A job in the background of a shell inherits deafness to Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# A full collection walks all that torch and Hydra ever made: together they took an eighth of the tests' time. They are
# left out, and one is done after every so many files.
gc.set_threshold(10_000, 20, 1_000_000)
FILES = 10
_ended: set[object] = set()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Collects what is unreachable at the end of every tenth file."""
    if nextitem is None or nextitem.path != item.path:
        _ended.add(item.path)
        if len(_ended) % FILES == 0:
            gc.collect()
