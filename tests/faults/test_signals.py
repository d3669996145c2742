"""Ctrl-C and SIGTERM: the command ends within seconds, says how to go on, and what it says goes on."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server, half_written, rows, said_to_go_on
from tests.faults.conftest import SEARCH, begun

LONG = {
    "search": ("evaluator.epochs=5000",),
    "transfer": ("training.epochs=5000",),
    "export": ("export.seconds=60",),
    "bench": ("bench.seconds=60",),
}


@pytest.mark.parametrize(
    ("entry", "number", "code"),
    [
        ("search", signal.SIGINT, 130),
        ("search", signal.SIGTERM, 143),
        ("transfer", signal.SIGINT, 130),
        ("transfer", signal.SIGTERM, 143),
        ("export", signal.SIGINT, 130),
        ("bench", signal.SIGTERM, 143),
    ],
)
def test_a_command_ends_within_five_seconds_and_says_how_to_go_on(
    server: Server, unbroken: Path, tmp_path: Path, entry: str, number: int, code: int
) -> None:
    step = begun(entry, unbroken, tmp_path)
    step = Command(entry, step.run, (*step.words, *LONG[entry]))
    files = {
        "search": step.run / "study.journal",
        "transfer": next(step.run.glob("transfer/*/last.ckpt"), step.run / "transfer"),
        "export": step.run / "export",
    }
    started = server.start(step)
    if entry == "bench":
        started.wait_until_said("bench: 2 files")
    else:
        started.wait_for(files[entry], 2000 if entry == "search" else 1)
    time.sleep(0.5)
    started.signal(number)
    start = time.monotonic()
    ended = started.end()
    assert time.monotonic() - start < 30
    assert ended.code == code, ended.said
    assert said_to_go_on(ended, entry) == step.line
    assert not list(half_written(step.run))


def test_a_search_without_a_name_says_which_run_goes_on(server: Server, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    started = server.start(Command("search", runs, (f"runs={runs}", *SEARCH, *LONG["search"]), named=False))
    while not list(runs.glob("*/study.journal")):
        time.sleep(0.02)
    started.wait_for(next(runs.glob("*/study.journal")), 2000)
    started.signal(signal.SIGTERM)
    said = started.end().said
    assert re.search(r"To go on: python -m nastk\.search .* run=\S+/runs/\d+-\d+-nasbench201\n", said), said


def test_a_second_signal_ends_a_command_that_hears_nothing(server: Server, tmp_path: Path) -> None:
    """The first is swallowed by whatever the main thread does; so is every later one."""
    long = Command("search", tmp_path / "run", (*SEARCH, *LONG["search"]))
    started = server.start(long, deaf=600.0)
    started.wait_for(long.run / "study.journal", 2000)
    time.sleep(0.5)
    started.signal(signal.SIGINT)
    time.sleep(1.0)
    start = time.monotonic()
    started.signal(signal.SIGINT)
    ended = started.end()
    assert time.monotonic() - start < 30
    assert ended.code == 130
    assert "stopped; nothing finished is lost" in ended.said
    assert not list(half_written(long.run))


def test_a_command_that_hears_nothing_ends_all_the_same(server: Server, unbroken: Path, tmp_path: Path) -> None:
    long = Command("search", tmp_path / "run", (*SEARCH, *LONG["search"]))
    started = server.start(long, deaf=2.0)
    started.wait_for(long.run / "study.journal", 2000)
    time.sleep(0.5)
    started.signal(signal.SIGTERM)
    start = time.monotonic()
    ended = started.end()
    assert time.monotonic() - start < 30
    assert ended.code == 143
    assert rows(long.run) == rows(unbroken / "search")[: len(rows(long.run))]
