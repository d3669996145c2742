"""Two real searches behind Optuna's proxy: one is killed with -9, the other takes its candidate over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.trial import TrialState

pytest.importorskip("grpc")

pytestmark = pytest.mark.slow

SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=2", "trials=3", "controller=random", "seed=7"),
    *("evaluator.epochs=2", "data.subset=400", "evaluator.network.filters=4", "evaluator.threads=1"),
    *("storage=grpc", "storage.study=shared", "storage.heartbeat=1", "storage.grace=8"),
)


@contextmanager
def _driver(port: int, runs: Path, run: str) -> Iterator[subprocess.Popen[str]]:
    """A driver that knows the proxy and no password."""
    command = [sys.executable, *SEARCH, f"storage.port={port}", f"runs={runs}", f"run={run}"]
    environment = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}
    with (runs.parent / f"{run}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def _training(storage: BaseStorage, driver: Path) -> list[int]:
    """Returns the numbers of the trials that a driver trains and has no result of."""
    if not (driver / ".driver").exists():
        return []
    name = json.loads((driver / ".driver").read_text())["driver"]
    try:
        study = storage.get_study_id_from_name("shared")
    except KeyError:
        return []
    open_ones = storage.get_all_trials(study, states=(TrialState.RUNNING,))
    noted = [(trial.number, trial.user_attrs) for trial in open_ones if trial.user_attrs.get("driver") == name]
    return [number for number, of in noted if {"claimed", "cost"} <= set(of) and "outcome" not in of]


def test_the_candidate_of_a_driver_that_is_killed_behind_the_proxy_is_taken_over(tmp_path: Path, proxy: int) -> None:
    runs = tmp_path / "runs"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        storage = GrpcStorageProxy(host="localhost", port=proxy)
    deadline = time.monotonic() + 300
    with _driver(proxy, runs, "one") as one, _driver(proxy, runs, "two") as two:
        while not (dead := _training(storage, runs / "one")):
            assert one.poll() is None, (tmp_path / "one.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(one.pid, signal.SIGKILL)
        assert two.wait(400) == 0, (tmp_path / "two.log").read_text()
    rows = _rows(runs / "two")
    lost = [row for row in rows if row["reason"] == "its driver died"]
    assert [row["number"] for row in lost] == dead
    trained = Counter(row["key"] for row in rows if row["state"] == "complete")
    assert len(trained) == 3
    assert set(trained.values()) == {1}
    assert trained[lost[0]["key"]] == 1  # the other has trained it
    assert [row["number"] for row in rows] == list(range(len(rows)))
    with _driver(proxy, runs, "one") as one:
        assert one.wait(300) == 0, (tmp_path / "one.log").read_text()
    assert _rows(runs / "one") == rows
    assert (runs / "one" / "best.json").read_text() == (runs / "two" / "best.json").read_text()
