"""What an evaluator prepares is made once, before the first candidate, found after a kill, and loaded by workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands import run

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
MINE = "tests.evaluators.preparing"
SEARCH = ("+space=nasbench201", "controller=random", f"evaluator._target_={MINE}.Preparing", f"allow_targets=[{MINE}]")


def _arguments(folder: Path, *given: str) -> Sequence[str]:
    return f"run={folder}", "evaluator=tabular", "evaluator.table=none", *SEARCH, *given


def _in_own_process(*arguments: str) -> int:
    """Workers are forked from a server that keeps what was allowed when it started: here for another test."""
    command = [sys.executable, "-m", "nastk.search", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _calls(folder: Path) -> list[tuple[str, int]]:
    lines = (folder / "evaluator" / "calls").read_text().splitlines()
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def _accuracies(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [row["metrics"]["accuracy"] for row in rows if row["state"] == "complete"]


def test_it_is_prepared_once_and_loaded_before_the_first_candidate(capsys: Capture, tmp_path: Path) -> None:
    outcome = run(capsys, "search", *_arguments(tmp_path / "run", "trials=4"))
    assert outcome.code == 0, outcome.err
    assert [what for what, _ in _calls(tmp_path / "run")] == ["prepared", "loaded"] + ["evaluated"] * 4
    assert _accuracies(tmp_path / "run") == [0.75] * 4


def test_after_a_kill_it_is_called_again_and_finds_what_it_made(capsys: Capture, tmp_path: Path) -> None:
    assert _in_own_process(*_arguments(tmp_path / "run", "trials=3"), "evaluator.table=dies") == 9
    (tmp_path / "run" / "config.yaml").write_text(
        (tmp_path / "run" / "config.yaml").read_text().replace("table: dies", "table: none")
    )
    outcome = run(capsys, "search", f"run={tmp_path / 'run'}", f"allow_targets=[{MINE}]")
    assert outcome.code == 0, outcome.err
    assert [what for what, _ in _calls(tmp_path / "run")] == ["prepared", "found", "loaded"] + ["evaluated"] * 3
    assert _accuracies(tmp_path / "run") == [0.75] * 3


def test_every_worker_process_loads_it_from_the_run_folder(tmp_path: Path) -> None:
    workers = ("executor=processes", "executor.parallel=2", "trials=6")
    assert _in_own_process(*_arguments(tmp_path / "run", *workers)) == 0
    calls = _calls(tmp_path / "run")
    assert [what for what, _ in calls].count("prepared") == 1
    what, here = calls[0]
    assert what == "prepared"
    loaded = [process for what, process in calls if what == "loaded"]
    assert len(set(loaded)) == len(loaded) == 2
    assert here not in loaded
    assert {process for what, process in calls if what == "evaluated"} <= set(loaded)
    assert _accuracies(tmp_path / "run") == [0.75] * 6
