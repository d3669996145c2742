"""Two real searches on one study, of which one is killed with -9: the other takes its candidate over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=2", "trials=3", "controller=random", "seed=7"),
    *("evaluator.epochs=2", "data.subset=400", "evaluator.network.filters=4", "evaluator.threads=1"),
    *("storage.study=shared", "storage.heartbeat=1", "storage.grace=8"),
)


@dataclass(frozen=True)
class Drivers:
    """Searches with run folders of their own and one study.

    Attributes:
        runs: where the run folders lie; beside it each driver has a log.
        storage: the settings of the study's storage.
        environment: of the drivers.
        search: the rest of their command line.
    """

    runs: Path
    storage: tuple[str, ...]
    environment: Mapping[str, str]
    search: tuple[str, ...] = SEARCH

    @contextmanager
    def started(self, run: str) -> Iterator[subprocess.Popen[str]]:
        """Starts a driver; kills it at the end of the block."""
        command = [sys.executable, *self.search, *self.storage, f"runs={self.runs}", f"run={run}"]
        with (self.runs.parent / f"{run}.log").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=dict(self.environment))
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def said(self, run: str) -> str:
        """Returns what a driver has printed."""
        return (self.runs.parent / f"{run}.log").read_text()

    def name(self, run: str) -> str:
        """Returns what a driver is called in its trials, "" before it is."""
        path = self.runs / run / ".driver"
        return str(json.loads(path.read_text())["driver"]) if path.exists() else ""


def rows(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of trials.jsonl."""
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def check_taken_over(drivers: Drivers, training: Callable[[str], list[int]]) -> None:
    """Kills one of two drivers while it trains; no trial may be lost, no cell trained twice, and its command goes on.

    Args:
        drivers: on a study that is not there yet.
        training: returns the numbers of the trials that a driver of this name has claimed and has no result of.
    """
    runs = drivers.runs
    deadline = time.monotonic() + 300
    with drivers.started("one") as one, drivers.started("two") as two:
        while not (dead := training(drivers.name("one"))):
            assert one.poll() is None, drivers.said("one")
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(one.pid, signal.SIGKILL)
        assert two.wait(300) == 0, drivers.said("two")
    found = rows(runs / "two")
    lost = [row for row in found if row["reason"] == "its driver died"]
    assert [row["number"] for row in lost] == dead
    trained = Counter(row["key"] for row in found if row["state"] == "complete")
    assert len(trained) == 3
    assert set(trained.values()) == {1}
    assert trained[lost[0]["key"]] == 1  # the other has trained it
    assert [row["number"] for row in found] == list(range(len(found)))
    with drivers.started("one") as one:
        assert one.wait(300) == 0, drivers.said("one")
    assert rows(runs / "one") == found
    assert (runs / "one" / "best.json").read_text() == (runs / "two" / "best.json").read_text()
