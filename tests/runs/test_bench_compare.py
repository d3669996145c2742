"""Two bench records are compared file by file; what is no such record is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.runs.bench import Bench, write_bench
from nastk.runs.bench_compare import compared, read_earlier


def entry(p50: float = 1.0, **changes: Any) -> dict[str, Any]:
    plain = {"key": "k" * 32, "file": "export/k/model.onnx", "precision": "fp32", "target": "cpu", "batch": 1}
    times = {"threads": 1, "p50_ms": p50, "spread": 0.02, "steady": True, "sha256": "ab", "at": "2026-11-27T10:00:00"}
    return {**plain, **times, **changes}


def bench(*entries: dict[str, Any], **machine: Any) -> Bench:
    return Bench(entries, {"processor": "Xeon", "load": 0.5, **machine}, {"onnxruntime": "1.24.0"})


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        (entry(1.0), entry(1.05), "slower"),
        (entry(1.05), entry(1.0), "faster"),
        (entry(1.0), entry(1.03), "within the spread"),
        (entry(1.0), entry(2.0, steady=False), "in doubt"),
        (entry(1.0, spread=0.5), entry(1.4), "within the spread"),
    ],
)
def test_a_file_is_faster_or_slower_beyond_what_both_varied(then: Any, now: Any, verdict: str) -> None:
    (found,) = compared(bench(then), bench(now)).files
    assert found.verdict == verdict and found.ratio == pytest.approx(now["p50_ms"] / then["p50_ms"], abs=1e-4)


def test_files_are_matched_by_network_name_and_conditions_wherever_they_lie() -> None:
    then = bench(entry(), entry(batch=8), entry(streams=2))
    now = bench(entry(file="model.onnx", target="remote", sha256="cd"), entry(threads=4), load=3.0)
    found = compared(then, now)
    assert [(one.batch, one.threads, one.same_file) for one in found.files] == [(1, 1, False)]
    assert found.only_then == [
        "kkkkkkkk/model.onnx (batch 8, 1 threads)",
        "kkkkkkkk/model.onnx (batch 1, 1 threads, 2 streams)",
    ]
    assert found.only_now == ["kkkkkkkk/model.onnx (batch 1, 4 threads)"]
    assert found.differs == [("load", 0.5, 3.0), ("target", "cpu", "cpu, remote")]
    assert json.loads(json.dumps(found.to_dict()))["differs"][0] == {"name": "load", "then": 0.5, "now": 3.0}


def test_a_record_of_before_there_were_hashes_streams_and_times_is_read(tmp_path: Path) -> None:
    old = {name: value for name, value in entry().items() if name not in ("sha256", "at")}
    write_bench(tmp_path, bench(old))
    found = compared(read_earlier(tmp_path), bench(entry()))
    assert found.files[0].same_file is None and found.differs == [("at", None, "2026-11-27T10:00:00")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "bench.json: "),
        ('{"schema": 1, "measurements": [', "bench.json: "),
        ('{"schema": 1, "kind": "latency table", "rows": []}', "is a 'latency table', expected the record of a bench"),
        ('{"schema": 1, "measurements": []}', "has no measurements"),
        (json.dumps({"schema": 1, "measurements": [entry(p50=-1.0)]}), "measurement 0: p50_ms -1.0, malformed"),
        (
            json.dumps({"schema": 1, "measurements": [entry(), entry(spread="1")]}),
            "measurement 1: spread '1', malformed",
        ),
        (json.dumps({"schema": 1, "measurements": [entry(threads=True)]}), "threads True, malformed"),
        (json.dumps({"schema": 1, "measurements": [entry(key=None)]}), "key None, malformed"),
        ('{"schema": 1, "measurements": ' + "[" * 5000, "bench.json: "),
    ],
)
def test_what_is_no_bench_record_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bench.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_earlier(tmp_path / "bench.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"against='.*none.json': no such file, expected the bench.json of an earlier"):
        read_earlier(tmp_path / "none.json")
