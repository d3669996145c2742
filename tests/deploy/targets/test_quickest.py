"""A candidate costs what the quickest of its files does, and a search says of each how quick it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.targets import CpuTarget
from nastk.deploy.targets.quickest import quickest
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks import NetworkConfig
from tests.commands import run

Capture = pytest.CaptureFixture[str]
CONV = StageGenotype((Stage("conv", 16),))


class Told(CpuTarget):
    """Costs what a test says, by precision."""

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns a latency that is told, and a size that is not its own."""
        return {"latency_ms": {"fp32": 0.3, "int8": 0.2}[self.precision], "size_mb": len(self.precision)}


def test_all_costs_are_those_of_the_quickest_file() -> None:
    cost = quickest(Told()).cost(CONV, NetworkConfig())
    assert cost == {"latency_ms": 0.2, "size_mb": 4, "latency_fp32_ms": 0.3, "latency_int8_ms": 0.2}


def test_a_target_without_such_files_is_named() -> None:
    with pytest.raises(UserError, match="objective.precision=best: target cpu writes fp32, int8, expected"):
        quickest(CpuTarget(), ("fp32", "fp16"))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["metrics"] for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_a_search_measures_both_files_of_each_candidate(tmp_path: Path, capsys: Capture) -> None:
    words = ("+space=mobile", "data=digits", "data.subset=100", "trials=2", "evaluator.epochs=1", "evaluator.threads=1")
    limits = ("objective.precision=best", "objective.max_latency_ms=5", "target.seconds=0.02", "at_budget=false")
    ran = run(capsys, "search", *words, *limits, f"run={tmp_path / 'run'}", "controller=random")
    assert ran.code == 0, ran.err
    for cost in rows(tmp_path / "run"):
        assert cost["latency_ms"] == min(cost["latency_fp32_ms"], cost["latency_int8_ms"]) > 0


def test_a_table_of_one_precision_is_refused(tmp_path: Path, capsys: Capture) -> None:
    words = ("+space=mobile", "data=digits", "objective.precision=best", f"run={tmp_path / 'run'}")
    refused = run(capsys, "search", *words, "latency=learned", "latency.path=nowhere.json")
    assert refused.code == 2 and not (tmp_path / "run").exists()
