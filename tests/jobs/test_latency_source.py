"""A search that goes on says where its latencies are measured on something else than before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nastk.runs.latency_record import LATENCIES
from tests.commands import Outcome, run

SEARCH = (
    *("search", "+space=nasnet", "space.blocks=2", "data=digits", "data.subset=320", "evaluator=zero_cost"),
    *("evaluator.network.filters=4", "evaluator.batch=16", "controller=random", "target=cpu", "target.seconds=0.01"),
    *("objective=pareto", "objective.maximize=[score]", "objective.minimize=[latency_ms]"),
)


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    line = json.loads(path.read_text().splitlines()[-1])
    change(line)
    path.write_text(json.dumps(line) + "\n")


def test_another_processor_or_runtime_is_a_warning_when_a_search_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"

    def search(trials: int) -> Outcome:
        ran = run(capsys, *SEARCH, f"run={folder}", f"trials={trials}")
        assert ran.code == 0, ran.err
        return ran

    said = "what measures the candidates is not what measured those before"
    assert said not in search(1).err
    changed(folder / LATENCIES, lambda line: line["machine"].update(load=99.0, clock_mhz=1))
    assert said not in search(2).err, "a clock and a load are never the same twice"
    changed(folder / LATENCIES, lambda line: line["machine"].update(processor="Cortex-A72"))
    (warning,) = (line for line in search(3).err.splitlines() if said in line)
    assert warning.startswith(f"warning: {folder}: ") and ", was Cortex-A72; their latencies cannot be" in warning
    changed(folder / LATENCIES, lambda line: line["versions"].update(onnxruntime="1.2.3"))
    (warning,) = (line for line in search(4).err.splitlines() if said in line)
    assert "ONNX Runtime is " in warning and ", was 1.2.3; " in warning
    changed(folder / LATENCIES, lambda line: line.update(target="remote", machine={"processor": "Cortex-A72"}))
    assert said not in search(5).err, "of another target"
