"""What every test may count on, however the suite was started: in a terminal, in the background, under nohup."""

from __future__ import annotations

import os
import signal

from tests.postgresql import database, postgresql_server  # noqa: F401 - fixtures

# One thread a computation: several on a machine that is busy with something else wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for variable in ("COLUMNS", "LINES", "NASTK_ALLOW_TARGETS", "NASTK_SSH", "WANDB_MODE", "HYDRA_FULL_ERROR"):
    os.environ.pop(variable, None)
# A job in the background of a shell inherits deafness to Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
