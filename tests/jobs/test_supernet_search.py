"""A search by shared weights from the command line: trained once, gone on with, audited, refused where it cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from nastk.runs.audit import read_audit
from nastk.supernet.stored import RECORD
from tests.commands import run

Capture = pytest.CaptureFixture[str]
QUICK = (
    *("+space=mobile", "space.stem=[{block:conv,width:8}]", "space.head=[]", "space.resolution=[]"),
    *("space.stages=[{block:[rep_conv,inverted_residual],width:[8,16],depth:[1,2],kernel:[3,5]}]", "data=digits"),
    *("data.subset=320", "evaluator=supernet", "evaluator.epochs=2", "controller=random", "target.seconds=0.02"),
)


def searched(capsys: Capture, folder: Path, *given: str) -> str:
    told = run(capsys, "search", *QUICK, f"run={folder}", *given)
    assert told.code == 0, told.err
    assert "trained; " not in told.out.replace("none trained; ", "")
    return told.out + told.err


def test_it_trains_once_goes_on_and_is_audited_by_training(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "run"
    told = searched(capsys, folder, "trials=4")
    assert "supernet epoch 2 of 2: loss " in told
    assert "4 candidates judged with shared weights, none trained; " in told
    record = (folder / "evaluator" / RECORD).read_bytes()
    assert "supernet epoch" not in searched(capsys, folder, "trials=5")
    assert (folder / "evaluator" / RECORD).read_bytes() == record
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    judged = {row["key"]: row["metrics"]["accuracy"] for row in rows if row["state"] == "complete"}
    assert len(judged) == 5 and all("latency_ms" in row["metrics"] for row in rows)

    assert run(capsys, "audit", f"run={folder}", "cells=3", "epochs=1").code == 0
    audit = read_audit(folder)
    assert audit is not None and audit.finished
    assert [cell.score for cell in audit.cells] == sorted((judged[cell.key] for cell in audit.cells), reverse=True)
    assert [len(cell.longer) for cell in audit.cells] == [1, 1, 1] and not any(cell.again for cell in audit.cells)
    assert "Of the best fifth of the search 1 were trained, too few" in audit.sentence

    there = (f"run={tmp_path / 'other'}", f"evaluator.folder={folder / 'evaluator'}", "trials=2")
    assert "supernet epoch" not in searched(capsys, tmp_path / "other", *there[1:])
    refused = run(capsys, "search", *QUICK, f"run={tmp_path / 'third'}", *there[1:], "seed=1")
    assert "its shared weights are of another seed: 0 there, 1 here" in refused.line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("at_budget=true", "objective.max_latency_ms=9"), "at_budget=true: evaluator=supernet has weights for the"),
        (("pruner=median",), "pruner: stops trainings, and evaluator=supernet trains no candidate"),
        (
            ("objective.maximize=[int8_accuracy]",),
            "wants int8_accuracy, which only trained candidates have; evaluator=supernet has none",
        ),
        (("evaluator.batch=5000",), "batch=5000, expected at most"),
    ],
)
def test_what_shared_weights_cannot_do_is_refused(
    words: Sequence[str], told: str, tmp_path: Path, capsys: Capture
) -> None:
    assert told in run(capsys, "search", *QUICK, f"run={tmp_path / 'run'}", *words).line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("executor=processes", "executor.parallel=2")], ids=["inline", "processes"])
def test_a_killed_training_goes_on_to_the_same_weights_and_results(more: Sequence[str], tmp_path: Path) -> None:
    longer = ("evaluator.epochs=40", "evaluator.checkpoint_minutes=0", "trials=3", *more)
    command = [sys.executable, "-m", "nastk.search", *QUICK, *longer]
    subprocess.run([*command, f"run={tmp_path / 'whole'}"], check=True, capture_output=True)
    broken = tmp_path / "broken"
    for epochs in (1, 9):
        process = subprocess.Popen([*command, f"run={broken}"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while len(_losses(broken)) < epochs:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(_losses(broken)) < 40
    subprocess.run([*command, f"run={broken}"], check=True, capture_output=True)
    assert (broken / "evaluator" / RECORD).read_bytes() == (tmp_path / "whole" / "evaluator" / RECORD).read_bytes()
    assert _judged(broken) == _judged(tmp_path / "whole")


def _losses(folder: Path) -> list[float]:
    path = folder / "evaluator" / RECORD
    found: list[float] = json.loads(path.read_text())["losses"] if path.exists() else []
    return found


def _judged(folder: Path) -> list[tuple[str, float]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return sorted((row["key"], row["metrics"]["accuracy"]) for row in rows)
