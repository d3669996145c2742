"""A search killed with -9 while its worker processes train: none stays, and the same command goes on as if never hurt.

`test_kill_anywhere` kills every command, at more moments, without worker processes.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server, left_behind, rows, said_to_go_on

SEARCH = (
    *("+space=nasnet", "space.blocks=2", "trials=4", "seed=7", "controller=random", "data.subset=400"),
    *("evaluator.epochs=1", "evaluator.network.filters=4", "evaluator.threads=1"),
)
PARALLEL = ("executor=processes", "executor.parallel=2")


@pytest.mark.parametrize(
    ("given", "moments"),  # a moment is a number of lines of the journal
    [
        pytest.param((), (3, 14, 40), marks=pytest.mark.slow),  # before, within and between trials
        pytest.param(PARALLEL, (38, 80), marks=pytest.mark.slow),  # the first round is in training, and the second
        (PARALLEL, (80,)),
    ],
    ids=["inline", "both rounds", "second round"],
)
def test_a_killed_search_goes_on_with_the_same_proposals_and_results(
    server: Server, tmp_path: Path, given: tuple[str, ...], moments: tuple[int, ...]
) -> None:
    whole = Command("search", tmp_path / "whole", SEARCH)  # in one process
    broken = Command("search", tmp_path / "broken", (*SEARCH, *given))
    ended = server.run(whole)
    assert ended.code == 0 and "4 candidates trained" in ended.said, ended.said
    expected = rows(whole.run)
    for lines in moments:
        started = server.start(broken)
        started.wait_for_lines(broken.run / "study.journal", lines)
        started.signal(signal.SIGKILL)
        assert started.end().code == -signal.SIGKILL
        assert not left_behind(started.pid, 120.0)
    ended = server.run(broken)
    assert ended.code == 0 and "going on after" in ended.said, ended.said
    assert rows(broken.run) == expected
    assert json.loads((broken.run / "best.json").read_text())["key"] in {row["key"] for row in expected}


def test_ctrl_c_in_a_terminal_ends_all_processes_and_says_how_to_go_on(server: Server, tmp_path: Path) -> None:
    long = Command("search", tmp_path / "run", (*SEARCH, *PARALLEL, "evaluator.epochs=200"))
    started = server.start(long)
    started.wait_for_lines(long.run / "study.journal", 38)
    time.sleep(1.0)  # into training
    sent = time.monotonic()
    started.signal(signal.SIGINT, group=True)
    ended = started.end()
    assert time.monotonic() - sent < 60
    assert not left_behind(started.pid, 120.0)
    assert ended.code == 130
    assert said_to_go_on(ended, "search") == long.line
