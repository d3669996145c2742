"""A real search, killed with -9 at several moments: the same command goes on as if nothing had happened."""

from __future__ import annotations

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


def _command(runs: Path, *more: str) -> list[str]:
    return [sys.executable, *SEARCH, f"runs={runs}", *more]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("seconds")
        for name in ("latency_ms", "train_seconds"):
            row["metrics"].pop(name, None)
    return rows


@pytest.mark.parametrize("controller", ["random", "predictor"])
def test_a_killed_search_goes_on_with_the_same_proposals_and_results(tmp_path: Path, controller: str) -> None:
    whole = subprocess.run(
        _command(tmp_path, "run=whole", f"controller={controller}"), capture_output=True, text=True, check=True
    )
    expected = _rows(tmp_path / "whole")
    assert "4 candidates trained" in whole.stdout
    command = _command(tmp_path, f"controller={controller}")
    folder = tmp_path / "broken"
    for lines in (3, 14, 40):  # of the journal, at which the process dies: before, within and between trials
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _wait_for_lines(folder / "study.journal", lines, process)
            os.kill(process.pid, signal.SIGKILL)
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "going on after" in last.stderr
    assert _rows(folder) == expected
    assert json.loads((folder / "best.json").read_text())["key"] in {row["key"] for row in expected}


def _wait_for_lines(path: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    start = time.monotonic()
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        assert time.monotonic() - start < 120
        time.sleep(0.02)
    pytest.fail(f"the search ended before its journal had {lines} lines")
