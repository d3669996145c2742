"""One thread a computation: several on a machine that is busy with something else wait for each other."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.postgresql import database, postgresql_server  # noqa: F401 - fixtures
