"""One Ray for all tests that can share it: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nastk.executors.ray_cluster import joined


@pytest.fixture(scope="session")
def in_ray() -> Iterator[None]:
    """Joins a Ray on this machine, which executors without an address then use."""
    pytest.importorskip("ray")
    with joined(None):
        yield
