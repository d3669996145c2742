"""Searches whose latencies are foretold: from a predictor of another device, or a table of operations."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nastk.deploy.cost.learned import learn_latency, write_learned
from nastk.deploy.cost.op_bench import measure_ops
from nastk.deploy.cost.table import write_table
from nastk.deploy.precision.scheme import X86
from nastk.deploy.targets.cpu import CpuTarget
from nastk.genotype import Genotype
from nastk.jobs.transfer.plan import TransferShape, _limits
from nastk.networks import NetworkConfig
from nastk.processor import processor_features
from nastk.runs.latency_record import read_latency_records
from nastk.spaces import NasBench201Space, random_genotype
from tests.commands import run

Capture = pytest.CaptureFixture[str]
SIZE = NetworkConfig(cells=1, filters=4, channels=1, size=8)
SEARCH = ("+space=nasbench201", "evaluator.epochs=1", "evaluator.network.filters=4", "trials=2", "controller=random")


def cells(count: int) -> list[Genotype]:
    rng = random.Random(0)
    return [random_genotype(NasBench201Space(), rng) for _ in range(count)]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predictor") / "pixel3.json"
    pairs = [(cell, 100.0 + sum(edge.op == "conv_3x3" for edge in _edges(cell))) for cell in cells(60)]
    size = {"filters": 4, "cells": 1, "size": 8, "channels": 1}
    write_learned(path, learn_latency(*map(list, zip(*pairs, strict=True)), {"name": "Pixel 3"}, size))
    return path


def _edges(cell: Genotype):
    return [edge for node in cell["normal"].nodes for edge in node.edges]


def latencies(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [row["metrics"]["latency_ms"] for row in rows if row["state"] == "complete"]


def test_a_learned_latency_is_the_candidates(capsys: Capture, tmp_path: Path, predictor: Path):
    where = (f"runs={tmp_path}", "run=a", "latency=learned", f"latency.path={predictor}")
    ran = run(capsys, "search", *SEARCH, *where, "latency.device=pixel", "objective.max_latency_ms=1000")
    assert ran.code == 0, ran.err
    assert all(99 < latency < 108 for latency in latencies(tmp_path / "a"))
    assert "PredictorLatency" in (tmp_path / "a" / "config.yaml").read_text()


def test_a_transfer_is_not_held_to_a_latency_learned_on_networks_of_another_size(predictor: Path):
    source = {"_target_": "nastk.deploy.cost.sources.PredictorLatency", "path": str(predictor)}
    objective = {"_target_": "nastk.objective.Objective", "max_latency_ms": 100.0, "max_params": 1e6}
    searched = {"evaluator": {"network": {"filters": 4}}, "objective": objective}
    measured = _limits(TransferShape(), OmegaConf.create(searched))
    learned = _limits(TransferShape(), OmegaConf.create({**searched, "latency": source}))
    assert [limit.metric for limit in measured] == ["latency_ms", "params"]
    assert [limit.metric for limit in learned] == ["params"]


def test_a_measured_latency_leaves_no_trace_in_the_config_so_that_earlier_runs_go_on(capsys: Capture, tmp_path: Path):
    ran = run(capsys, "search", *SEARCH, f"runs={tmp_path}", "run=a")
    assert ran.code == 0, ran.err
    assert "latency:" not in (tmp_path / "a" / "config.yaml").read_text()
    (record,) = read_latency_records(tmp_path / "a")
    assert (record["source"], record["target"], record["from_trial"]) == ("measured", "cpu", 0)
    assert record["versions"]["onnxruntime"] and record["machine"]["features"] == processor_features()


def test_a_table_sums_up_the_candidates(capsys: Capture, tmp_path: Path):
    rng = random.Random(1)
    draws = (random_genotype(NasBench201Space(), rng) for _ in range(100))
    table = measure_ops(draws, SIZE, CpuTarget(seconds=0.01), networks=10)
    write_table(tmp_path / "table.json", table)
    where = (f"runs={tmp_path}", "run=a", "latency=table", f"latency.path={tmp_path / 'table.json'}")
    ran = run(capsys, "search", *SEARCH, *where)
    assert ran.code == 0, ran.err
    assert len(latencies(tmp_path / "a")) == 2
    assert "latency=table" not in ran.err, "made here, by what is here"
    write_table(tmp_path / "table.json", replace(table, versions={"onnxruntime": "1.2.3"}))
    older = run(capsys, "search", *SEARCH, *where[:1], "run=b", *where[2:])
    assert older.err.count("made with ONNX Runtime 1.2.3, here is") == 1
    (record,) = read_latency_records(tmp_path / "b")
    assert record["source"] == "table" and record["made_of"]["versions"] == {"onnxruntime": "1.2.3"}
    assert "has no row for" in run(capsys, "search", "+space=nasnet", *SEARCH[1:], *where[:1], *where[2:]).line
    assert "precision=fp32" in run(capsys, "search", *SEARCH, *where[:1], *where[2:], "target.precision=int8").line
    write_table(tmp_path / "table.json", replace(table, precision="int8"))  # says nothing of stems, as those of before
    ran = run(capsys, "search", *SEARCH, *where[:1], "run=c", *where[2:], "target.precision=int8")
    assert ran.err.count("made with int8 files that compute their stem otherwise") == 1
    (record,) = read_latency_records(tmp_path / "c")
    assert record["conditions"]["float_stem"] == X86.float_stem


def test_what_is_no_predictor_or_another_devices_is_named_before_anything_is_made(
    capsys: Capture, tmp_path: Path, predictor: Path
):
    base = (*SEARCH, f"runs={tmp_path}", "run=a", "latency=learned")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert "latency.path" in run(capsys, "search", *base).line
    assert "no such file" in run(capsys, "search", *base, f"latency.path={tmp_path}/none.json").line
    assert "says nowhere what it is" in run(capsys, "search", *base, f"latency.path={wrong}").line
    table = run(capsys, "search", *SEARCH, "latency=table", f"latency.path={predictor}", f"runs={tmp_path}")
    assert "is a 'learned latency', expected a 'latency table'" in table.line
    other = run(capsys, "search", *base, f"latency.path={predictor}", "latency.device=Cortex")
    assert "is of 'Pixel 3', latency.device='Cortex' is asked for" in other.line
    larger = run(capsys, "search", *base, f"latency.path={predictor}", "evaluator.network.filters=8")
    assert "learned on networks of filters=4, this search's have filters=8" in larger.line
    assert not (tmp_path / "a").exists()
