"""The server that starts commands, and what unbroken runs of them give."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import Command, Server

SEARCH = (
    *("+space=nasbench201", "trials=4", "seed=3", "controller=predictor", "evaluator.epochs=1", "data.subset=300"),
    *(
        "evaluator.network.filters=4",
        "evaluator.threads=1",
        "target.seconds=0.01",
        "space.ops=[zero,identity,conv_1x1]",
    ),
)
TRANSFER = (
    *("baselines=[]", "training.epochs=2", "training.batch=128", "training.threads=1"),
    *("transfer.cells=1", "transfer.filters=4"),
)
EXPORT = ("export.calibration=16", "export.seconds=0.01")
BENCH = ("bench.seconds=0.1",)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def unbroken(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has a run folder as it is after search, transfer and export, and STEP.seconds and STEP.steps."""
    folder = tmp_path_factory.mktemp("unbroken")
    before = None
    for entry in ("search", "transfer", "export"):
        if before is not None:
            shutil.copytree(before, folder / entry)
        start = time.monotonic()
        ended = server.run(command(entry, folder / entry))
        assert ended.code == 0, ended.said
        (folder / f"{entry}.seconds").write_text(str(time.monotonic() - start))
        (folder / f"{entry}.steps").write_text(str(ended.steps))
        before = folder / entry
    return folder


def command(entry: str, run: Path) -> Command:
    """Returns a step's command on a run folder."""
    words = {"search": SEARCH, "transfer": TRANSFER, "export": EXPORT, "bench": BENCH}
    words["pipeline"] = tuple(itertools.chain(*words.values()))
    return Command(entry, run, words[entry])


def begun(entry: str, unbroken: Path, folder: Path) -> Command:
    """Returns a step's command on a new run folder in which the steps before it are done."""
    before = {"transfer": "search", "export": "transfer", "bench": "export"}.get(entry)
    if before is not None:
        shutil.copytree(unbroken / before, folder / "run")
    return command(entry, folder / "run")
