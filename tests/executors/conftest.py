"""One Ray for all tests that can share it: starting one takes seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nastk.executors.ray_cluster import joined


@pytest.fixture(scope="session")
def in_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Joins a Ray on this machine, which executors without an address then use; returns its empty home folder."""
    pytest.importorskip("ray")
    home = tmp_path_factory.mktemp("home")
    with contextlib.ExitStack() as undo:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(home))
            undo.enter_context(joined(None))
        yield home
