"""Searches that a table answers: a run, a sweep, limits, and a controller switched on the way."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.commands import run

Capture = pytest.CaptureFixture[str]
NAMES = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
OPS = np.array(list(itertools.product((0, 1, 3), repeat=6)), dtype=np.uint8)
# Three operations an edge make a whole table of the small space below: 3^6 cells.
SPACE = ("+space=nasbench201", "space.ops=[zero,identity,conv_3x3]", "evaluator=tabular")


@pytest.fixture
def table(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    worth = 10 + (OPS == 3).sum(axis=1) * 12 + rng.normal(0, 2, len(OPS))
    np.savez(
        tmp_path / "table.npz",
        op_names=NAMES,
        ops=OPS,
        acc12_cifar10_valid=worth.astype(np.float32),
        acc200_cifar10_test_nats=worth.astype(np.float32) + 5,
        cost12_cifar10_s=np.linspace(60, 180, len(OPS), dtype=np.float32),
        params_cifar10=(OPS == 3).sum(axis=1).astype(np.int32) * 1000,
    )
    np.savez(tmp_path / "nb201_latency.npz", pixel3=((OPS == 3).sum(axis=1) + 1).astype(np.float32))
    return f"evaluator.table={tmp_path / 'table.npz'}"


@pytest.mark.parametrize("controller", ["evolution", "predictor", "reinforce"])
def test_a_table_answers_a_search_and_its_report_tells_the_simulated_time(
    capsys: Capture, tmp_path: Path, table: str, controller: str
) -> None:
    runs = f"runs={tmp_path / 'runs'}"
    outcome = run(capsys, "search", runs, *SPACE, table, f"controller={controller}", "trials=30", "run=a")
    assert outcome.code == 0, outcome.err
    assert "30 candidates trained" in outcome.out
    rows = [json.loads(line) for line in (tmp_path / "runs" / "a" / "trials.jsonl").read_text().splitlines()]
    assert sum(row["state"] == "complete" for row in rows) == 30
    assert all(60 <= row["metrics"]["simulated_seconds"] <= 180 for row in rows)
    assert run(capsys, "report", runs, "run=a").code == 0
    assert "simulated" in (tmp_path / "runs" / "a" / "report.html").read_text()


def test_limits_hold_for_what_the_table_knows(capsys: Capture, tmp_path: Path, table: str) -> None:
    runs, limit = f"runs={tmp_path / 'runs'}", "objective.max_latency_ms=3.5"
    outcome = run(
        capsys, "search", runs, *SPACE, table, "evaluator.latency=pixel3", limit, "controller=evolution", "trials=20",
        "run=b",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = [json.loads(line) for line in (tmp_path / "runs" / "b" / "trials.jsonl").read_text().splitlines()]
    assert {row["state"] for row in rows} >= {"complete", "rejected"}
    assert all(row["metrics"]["latency_ms"] <= 3.5 for row in rows if row["state"] == "complete")


def test_a_limit_that_nothing_meets_ends_with_the_nearest_miss(capsys: Capture, tmp_path: Path, table: str) -> None:
    arguments = (f"runs={tmp_path / 'runs'}", *SPACE, table, "evaluator.latency=pixel3", "objective.max_latency_ms=0.5")
    line = run(capsys, "search", *arguments, "max_rejections=20", "controller=local_search").line
    assert "no candidate was trained" in line
    assert "20 rejected, none trained between" in line
    assert "nearest miss is trial" in line


def test_a_controller_switched_on_the_way_is_said_and_recorded(capsys: Capture, tmp_path: Path, table: str) -> None:
    arguments = (f"runs={tmp_path / 'runs'}", *SPACE, table, "run=c")
    assert run(capsys, "search", *arguments, "controller=random", "trials=5").code == 0
    outcome = run(capsys, "search", *arguments, "controller=local_search", "trials=12")
    assert outcome.code == 0, outcome.err
    assert "controller._target_" in outcome.err
    assert "12 candidates trained" in outcome.out
    config = OmegaConf.load(tmp_path / "runs" / "c" / "config.yaml")
    assert "LocalSearch" in config.controller._target_
    assert any("controller._target_" in line for line in config.changes)


def test_a_sweep_gives_each_job_its_folder_and_one_summary(capsys: Capture, tmp_path: Path, table: str) -> None:
    outcome = run(
        capsys, "search", "-m", f"runs={tmp_path / 'runs'}", *SPACE, table, "controller=random,local_search",
        "seed=range(5)", "trials=25",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (sweep,) = (tmp_path / "runs").glob("sweep-*")
    assert len(list(sweep.glob("*/config.yaml"))) == 10
    assert f"Report: {sweep / 'sweep.html'}" in outcome.out
    assert run(capsys, "report", f"sweep={sweep}").code == 0
    page = (sweep / "sweep.html").read_text()
    assert "local_search is " in page
    assert json.loads((sweep / "sweep.json").read_text())["schema"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluator.table=/nowhere.npz"], "/nowhere.npz"),
        (["evaluator.valid=acc12_cifar10_vali"], "nearest is 'acc12_cifar10_valid'"),
        (["evaluator.latency=pixel4"], "nearest is 'pixel3'"),
        (["objective.max_macs=5"], "do not measure macs"),
        (["space.ops=[conv_1x1,zero]"], "row"),
    ],
)
def test_a_wrong_table_is_one_line(
    capsys: Capture, tmp_path: Path, table: str, arguments: list[str], message: str
) -> None:
    outcome = run(capsys, "search", f"runs={tmp_path / 'runs'}", *SPACE, table, "trials=5", *arguments)
    assert message in outcome.line
