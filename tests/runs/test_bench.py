"""bench.json is read as it is written, and a malformed one is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.runs.bench import Bench, read_bench, write_bench

BENCH = Bench([{"file": "export/k/model.onnx", "p50_ms": 1.25}], {"processor": "Xeon"}, {"onnxruntime": "1.24"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_bench(tmp_path) is None
    assert write_bench(tmp_path, BENCH) == tmp_path / "bench.json"
    assert read_bench(tmp_path) == BENCH


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2, expected 1"),
        ({"measurements": None}, "measurements None, expected a list"),
        ({"measurements": [BENCH.measurements[0], 3]}, "measurement 1"),
        ({"machine": "Xeon"}, "machine"),
    ],
)
def test_what_is_no_bench_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write_bench(tmp_path, BENCH)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=f"bench.json: {message}"):
        read_bench(tmp_path)
