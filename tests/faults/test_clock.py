"""A wall clock that jumps changes nothing: times are measured by another clock, and names stay apart."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.faults.commands import Command, Server, rows, trained
from tests.faults.conftest import SEARCH, begun
from tests.faults.test_kill_anywhere import check_end

YEAR = 365 * 86400.0


def test_a_search_under_a_clock_that_jumps_by_years_is_killed_and_ends_like_an_unbroken_one(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    hurt = begun("search", unbroken, tmp_path)
    steps = int((unbroken / "search.steps").read_text())
    assert server.run(hurt, clock=(YEAR, -YEAR), kill_at=steps * 3 // 4).code == -signal.SIGKILL
    assert server.run(hurt, clock=(-2 * YEAR, -3 * YEAR), kill_at=steps // 6).code == -signal.SIGKILL  # before it began
    check_end(server, unbroken, hurt.run, "search")
    for line in (hurt.run / "trials.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert 0 <= row["seconds"] < 100
        assert 0 <= row["metrics"]["train_seconds"] < 100


def test_a_transfer_under_a_clock_that_jumps_measures_its_time(server: Server, unbroken: Path, tmp_path: Path) -> None:
    hurt = begun("transfer", unbroken, tmp_path)
    ended = server.run(hurt, clock=(YEAR, -YEAR))
    assert ended.code == 0, ended.said
    assert trained(hurt.run) == trained(unbroken / "transfer")
    (metrics,) = hurt.run.glob("transfer/*/metrics.json")
    assert 0 < json.loads(metrics.read_text())["seconds"] < 100


def test_two_searches_at_the_same_moment_of_a_clock_that_went_back_are_two_runs(server: Server, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for _ in range(2):
        ended = server.run(Command("search", runs, (f"runs={runs}", *SEARCH, "trials=1"), named=False), stopped=1e9)
        assert ended.code == 0, ended.said
    names = sorted(path.name for path in runs.iterdir())
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(1e9))
    assert names == [f"{stamp}-nasbench201", f"{stamp}-nasbench201-1"]
    assert rows(runs / names[0]) == rows(runs / names[1])
