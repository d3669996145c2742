"""A real search, killed with -9 at several moments: the same command goes on as if nothing had happened.

tests/faults kills every command, at more moments.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=2", "trials=4", "seed=7", "run=broken"),
    *("evaluator.epochs=1", "data.subset=400", "evaluator.network.filters=4", "evaluator.threads=1"),
)
PARALLEL = ("executor=processes", "executor.parallel=2")


def _command(runs: Path, *more: str) -> list[str]:
    return [sys.executable, *SEARCH, f"runs={runs}", *more]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("seconds")
        for name in ("latency_ms", "latency_steady", "train_seconds"):
            row["metrics"].pop(name, None)
    return rows


@pytest.mark.parametrize(
    ("given", "moments"),  # a moment is a number of lines of the journal
    [
        pytest.param(("controller=random",), (3, 14, 40), marks=pytest.mark.slow),  # before, within and between trials
        (("controller=random", *PARALLEL), (38, 80)),  # the first round is in training, and the second
    ],
    ids=["random", "processes"],
)
def test_a_killed_search_goes_on_with_the_same_proposals_and_results(
    tmp_path: Path, given: tuple[str, ...], moments: tuple[int, ...]
) -> None:
    whole = subprocess.run(_command(tmp_path, "run=whole", *given), capture_output=True, text=True, check=True)
    expected = _rows(tmp_path / "whole")
    assert "4 candidates trained" in whole.stdout
    command = _command(tmp_path, *given)
    folder = tmp_path / "broken"
    for lines in moments:
        with _started(command) as process:
            _wait_for_lines(folder / "study.journal", lines, process)
            os.kill(process.pid, signal.SIGKILL)
        _wait_for_the_end(process.pid)
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "going on after" in last.stderr
    assert _rows(folder) == expected
    assert json.loads((folder / "best.json").read_text())["key"] in {row["key"] for row in expected}


def test_ctrl_c_in_a_terminal_ends_all_processes_and_says_how_to_go_on(tmp_path: Path) -> None:
    with _started(_command(tmp_path, *PARALLEL, "evaluator.epochs=200")) as process:
        _wait_for_lines(tmp_path / "broken" / "study.journal", 38, process)
        time.sleep(1.0)  # into training
        os.killpg(process.pid, signal.SIGINT)
        start = time.monotonic()
        _, said = process.communicate()
        assert time.monotonic() - start < 60
    _wait_for_the_end(process.pid)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("stopped; nothing finished is lost")


def _started(command: list[str]) -> subprocess.Popen[str]:
    """Starts a search with a process group of its own, as a shell does that has a terminal."""
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _wait_for_the_end(group: int) -> None:
    """Fails where a process of the group stays behind."""
    deadline = time.monotonic() + 120
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        pytest.fail("a process was left behind")


def _wait_for_lines(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    start = time.monotonic()
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        assert time.monotonic() - start < 120
        time.sleep(0.02)
    pytest.fail(f"the search ended before its journal had {lines} lines")
