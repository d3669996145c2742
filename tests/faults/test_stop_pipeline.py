"""The pipeline, stopped or killed in each of its steps: the same command goes on, and ends like an unbroken one."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.commands import (
    Command,
    Ended,
    Server,
    exported,
    half_written,
    left_behind,
    left_over,
    rows,
    said_to_go_on,
    trained,
)
from tests.faults.conftest import command

STEPS = ("1/5 search", "2/5 transfer", "3/5 quantize and export", "4/5 bench", "5/5 report")
WORKERS = ("executor=processes", "executor.parallel=2")
FAULTS = (
    ("trial    1", 0.0, signal.SIGTERM),
    ("[2/5 transfer]", 0.4, signal.SIGINT),
    ("[3/5 quantize and export]", 0.3, signal.SIGKILL),
    ("bench: 2 files", 0.05, signal.SIGTERM),
)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


def test_a_pipeline_stopped_in_each_step_says_what_goes_on_and_that_ends_like_an_unbroken_one(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    hurt = Command("pipeline", runs, (f"runs={runs}", *command("pipeline", runs).words), named=False)
    for said, seconds, number in FAULTS:
        ended = stop(server, hurt, said, seconds, number)
        assert ended.code == CODES[number], ended.said
        (run,) = runs.iterdir()
        words = said_to_go_on(ended, "pipeline") if number != signal.SIGKILL else hurt.words
        assert set(words) == {*hurt.words, f"run={run}"}
        hurt = Command("pipeline", run, words, named=False)
    check_end(server, unbroken, hurt)


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), WORKERS], ids=["inline", "processes"])
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_pipeline_stopped_at_random_moments_of_each_step_ends_like_an_unbroken_one(
    server: Server, unbroken: Path, tmp_path: Path, number: signal.Signals, words: tuple[str, ...]
) -> None:
    moments = random.Random(int(number))
    hurt = command("pipeline", tmp_path / "run")
    hurt = Command("pipeline", hurt.run, (*hurt.words, *words))
    ended = [stop(server, hurt, f"[{step}]", moments.uniform(0.0, 1.0), number) for step in STEPS for _ in range(3)]
    assert any(one.code for one in ended)
    for one in ended:
        assert one.code <= 0 or said_to_go_on(one, "pipeline") == hurt.line
    check_end(server, unbroken, hurt)


def stop(server: Server, hurt: Command, said: str, seconds: float, number: signal.Signals) -> Ended:
    """Sends a signal to a pipeline so long after it has said something; it may have ended before."""
    started = server.start(hurt)
    started.wait_until_said(said)
    time.sleep(seconds)
    sent = time.monotonic()
    started.signal(number)
    ended = started.end()
    assert ended.code in (0, CODES[number]), ended.said
    assert time.monotonic() - sent < 30
    assert not left_behind(started.pid, 60.0 if number == signal.SIGKILL else 20.0)  # what imports ends when it has
    assert not list(half_written(hurt.run))
    return ended


def check_end(server: Server, unbroken: Path, hurt: Command) -> None:
    """Lets a hurt pipeline end, and holds what each of its steps made to the unbroken ones'."""
    ended = server.run(hurt)
    assert ended.code == 0, ended.said
    assert rows(hurt.run) == rows(unbroken / "search")
    assert trained(hurt.run) == trained(unbroken / "transfer")
    assert exported(hurt.run) == exported(unbroken / "export")
    measured = json.loads((hurt.run / "bench.json").read_text())["measurements"]
    assert [entry["precision"] for entry in measured] == ["fp32", "int8"]
    assert (hurt.run / "report.html").read_text().rstrip().endswith("</html>")
    assert not list(half_written(hurt.run))
    assert not left_over(hurt.run)
