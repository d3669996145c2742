"""A search with worker processes, stopped or killed: none of them stays, and the same command has the same trials."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server, half_written, left_behind, left_over, rows, said_to_go_on
from tests.faults.conftest import SEARCH
from tests.faults.test_stop_pipeline import CODES, WORKERS


def test_a_search_whose_processes_are_all_told_to_end_as_slurm_does_goes_on(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    stop_and_go_on(server, unbroken, tmp_path / "run", signal.SIGTERM, True, [0.5])


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True], ids=["search", "group"])
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_search_with_processes_that_is_stopped_at_random_moments_goes_on(
    server: Server, unbroken: Path, tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    moments = random.Random(int(number))
    stop_and_go_on(server, unbroken, tmp_path / "run", number, group, [moments.uniform(0.0, 8.0) for _ in range(4)])


def stop_and_go_on(
    server: Server, unbroken: Path, run: Path, number: signal.Signals, group: bool, moments: list[float]
) -> None:
    """Stops a search at moments after it holds its folder, or all of its processes, and holds its trials to others'."""
    hurt = Command("search", run, (*SEARCH, *WORKERS, "executor.retries=0"))
    for moment in moments:
        (run / ".held").unlink(missing_ok=True)
        started = server.start(hurt)
        started.wait_for(run / ".held")
        time.sleep(moment)
        sent = time.monotonic()
        started.signal(number, group)
        ended = started.end()
        assert time.monotonic() - sent < 30
        assert ended.code in (0, CODES[number]), ended.said
        assert not left_behind(started.pid, 60.0 if number == signal.SIGKILL else 20.0)  # ends when it has imported all
        assert not list(half_written(run))
        assert ended.code <= 0 or said_to_go_on(ended, "search") == hurt.line
    ended = server.run(hurt)
    assert ended.code == 0, ended.said
    assert rows(run) == rows(unbroken / "search")
    assert not left_over(run)
