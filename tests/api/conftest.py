"""One run of the digits, searched, trained in full and exported from Python, for all tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import nastk

SETTINGS: dict[str, Any] = {
    **{"space": "nasnet", "controller": "random", "data": "digits", "subset": 100, "trials": 2, "epochs": 1},
    **{"evaluator": {"threads": 1, "network": {"filters": 4}}, "target": {"seconds": 0.02}},
}


class Made(NamedTuple):
    """The run, what it told while it was made, and the folders that its steps returned."""

    run: nastk.Run
    events: list[nastk.Event]
    trained: list[Path]
    exported: list[Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    events: list[nastk.Event] = []
    run = nastk.Run("mine", tmp_path_factory.mktemp("runs"), progress=events.append)
    assert run.search(max_params=1e6, **SETTINGS) is run
    trained = run.transfer(baselines=[], training={"epochs": 2, "threads": 1}, cells=1, filters=4)
    return Made(run, events, trained, run.export(export={"seconds": 0.01}, calibration=32))
