"""The bench of operations and the learning of a predictor, as commands."""

from __future__ import annotations

import json
import platform
import random
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.cost.learned import read_learned
from nastk.deploy.cost.table import read_table
from nastk.deploy.precision.scheme import ARM, X86
from nastk.deploy.targets import arm
from nastk.errors import UserError
from nastk.jobs import op_table
from nastk.spaces import NasBench201Space, random_genotype
from tests.commands import run

Capture = pytest.CaptureFixture[str]
SMALL = ("network.cells=1", "network.filters=4", "network.size=8", "ops_networks=10", "target=cpu")


def pairs(path: Path, count: int) -> Path:
    rng = random.Random(0)
    genotypes = [random_genotype(NasBench201Space(), rng) for _ in range(count)]
    rows = [
        {
            "genotype": genotype.to_dict(),
            "latency_ms": 5 + sum(edge.op == "conv_3x3" for node in genotype["normal"].nodes for edge in node.edges),
        }
        for genotype in genotypes
    ]
    # A rejected trial of trials.jsonl has metrics, one that failed has none.
    rows.append({"genotype": genotypes[0].to_dict(), "metrics": None})
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_a_table_is_measured_and_says_on_what(capsys: Capture, tmp_path: Path):
    out = tmp_path / "table.json"
    ran = run(capsys, "bench", "ops=true", "+space=nasbench201", *SMALL, "target.seconds=0.01", f"out={out}")
    assert ran.code == 0, ran.err
    table = read_table(out)
    assert f"{len(table.rows)} operations" in ran.out
    assert (table.precision, table.batch, table.threads) == ("fp32", 1, 1)
    assert {"processor", "governor", "clock_mhz", "load"} <= set(table.device)


def test_on_an_arm_board_int8_is_timed_as_arm_ships_it(capsys: Capture, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(arm, "MACHINES", (platform.machine(),))  # takes this machine for one
    schemes = []

    def measured(*given: Any) -> None:
        schemes.append(given[-1])
        raise UserError("seen enough")

    monkeypatch.setattr(op_table, "measure_ops", measured)
    for target in ("arm", "cpu"):
        words = ("+space=nasbench201", *SMALL[:-1], f"target={target}", f"out={tmp_path / 'table.json'}")
        assert "seen enough" in run(capsys, "bench", "ops=true", *words).line
    assert schemes == [ARM, X86]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ops=true",), "no search space"),
        (("ops=true", "+space=nasnet", "target=cuda"), "target cuda has no times of single operations"),
        (("ops=true", "+space=nasnet", "ops_networks=2"), "ops_networks=2, expected a whole number from 10 to 10000"),
        (("ops=true", "+space=nasnet", "out=/nowhere/table.json"), "/nowhere is no folder"),
        (("ops=true", "learn=x"), "give one"),
        (("learn=x",), "device is not given"),
        (("learn=none.jsonl", "device=X"), "cannot be read"),
    ],
)
def test_what_cannot_be_is_one_line(capsys: Capture, arguments: tuple[str, ...], message: str):
    assert message in run(capsys, "bench", *arguments).line


def test_a_predictor_is_learned_from_lines_of_cells(capsys: Capture, tmp_path: Path):
    source = pairs(tmp_path / "pairs.jsonl", 40)
    ran = run(capsys, "bench", f"learn={source}", "device='Pixel 3'")
    assert ran.code == 0, ran.err
    assert "40 cells on Pixel 3" in ran.out
    predictor = read_learned(tmp_path / "latency-predictor.json")
    assert predictor.pairs == 40
    assert predictor.device["name"] == "Pixel 3"


def test_lines_that_are_no_pairs_are_named(capsys: Capture, tmp_path: Path):
    few = pairs(tmp_path / "few.jsonl", 5)
    assert "5, expected at least 20" in run(capsys, "bench", f"learn={few}", "device=X").line
    few.write_text(few.read_text() + '{"latency_ms": 3}\n')
    assert "line 7 has no genotype and latency_ms" in run(capsys, "bench", f"learn={few}", "device=X").line
