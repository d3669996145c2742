"""Latencies in a file hold for the conditions that they were taken under, and for no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.cost.conditions import conditions_of
from nastk.deploy.cost.learned import LearnedLatency, write_learned
from nastk.deploy.cost.sources import PredictorLatency, TableLatency, made_of
from nastk.deploy.cost.table import OpTable, write_table
from nastk.deploy.targets import CpuTarget, OpenvinoTarget, Target
from nastk.errors import UserError

INT8 = {"precision": "int8", "threads": 4, "batch": 8}


def predictor(path: Path, **device: Any) -> PredictorLatency:
    made = LearnedLatency("cell", "graph", 1.0, 0.1, {"conv/ops": 1.0}, 10, {"name": "Pi", **device}, {})
    write_learned(path, made)
    return PredictorLatency(str(path))


@pytest.mark.parametrize(
    ("taken", "target", "said"),
    [
        (INT8, CpuTarget(threads=4, batch=8), "precision=int8, the target has precision=fp32; give target.precision="),
        (INT8, CpuTarget(precision="int8", batch=8), "threads=4, the target has threads=1; give target.threads=4, or"),
        (INT8, CpuTarget(precision="int8", threads=4), "batch=8, the target has batch=1; give target.batch=8, or meas"),
        (
            {"streams": 2},
            CpuTarget(),
            "streams=2, the target has streams=1; give target.streams=2, or measure such",
        ),
        ({"streams": 1}, OpenvinoTarget(threads=2, streams=2), "streams=1, the target has streams=2"),
        ({"precision": "x\ny"}, CpuTarget(), r"precision='x\\ny', the target"),
    ],
)
def test_a_predictor_of_other_conditions_is_refused(
    tmp_path: Path, taken: dict[str, Any], target: Target, said: str
) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/p.json: was taken with {said}"):
        predictor(tmp_path / "p.json", **taken).costing(target)


def test_a_predictor_of_the_same_conditions_or_of_unknown_ones_is_taken(tmp_path: Path) -> None:
    same = CpuTarget(precision="int8", threads=4, batch=8)
    predictor(tmp_path / "p.json", **INT8, streams=1).costing(same)
    predictor(tmp_path / "p.json").costing(same)
    assert conditions_of(OpenvinoTarget(threads=2, streams=2)) == {
        **{"precision": "fp32", "threads": 2, "batch": 1},
        "streams": 2,
    }


def test_a_table_is_of_one_stream_and_of_onnx_runtime(tmp_path: Path) -> None:
    ran = {"onnxruntime": "1.31.1", "torch": "2.13", "openvino": "2026.4"}
    write_table(tmp_path / "t.json", OpTable("fp32", 2, 1, {}, 0.1, 10, {"processor": "Xeon"}, ran, "2026-11-28"))
    table = TableLatency(str(tmp_path / "t.json"))
    with pytest.raises(UserError, match="streams=1, the target has streams=2; give target.streams=1, or measure such"):
        table.costing(OpenvinoTarget(threads=2, streams=2))
    made = made_of(table)
    assert made is not None and made.versions == {"onnxruntime": "1.31.1"}
