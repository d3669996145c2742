"""latency.jsonl says what a run's latencies are of; runs of before have none."""

from __future__ import annotations

from pathlib import Path

from nastk.runs.latency_record import (
    LATENCIES,
    MEASURED,
    LatencyRecord,
    add_latency_record,
    latencies_are_of,
    read_latency_records,
)

HERE = LatencyRecord(MEASURED, "cpu", {"threads": 2, "seconds": 0.3}, {"onnxruntime": "1.31.1"}, {"processor": "Xeon"})


def test_the_last_sitting_says_what_was_measured_and_a_table_what_it_is_of(tmp_path: Path) -> None:
    assert read_latency_records(tmp_path) == [] and latencies_are_of(tmp_path) == ({}, {})
    add_latency_record(tmp_path, HERE, 0)
    assert latencies_are_of(tmp_path) == ({"processor": "Xeon", "threads": 2}, {"onnxruntime": "1.31.1"})
    made = {"device": {"processor": "Cortex-A72"}, "versions": {"onnxruntime": "1.24.0"}}
    add_latency_record(tmp_path, LatencyRecord("table", None, {}, HERE.versions, HERE.machine, made), 7)
    assert latencies_are_of(tmp_path) == ({"processor": "Cortex-A72"}, {"onnxruntime": "1.24.0"})
    assert [line["from_trial"] for line in read_latency_records(tmp_path)] == [0, 7]


def test_lines_that_are_malformed_or_cut_short_are_left_out(tmp_path: Path) -> None:
    add_latency_record(tmp_path, HERE, 0)
    path = tmp_path / LATENCIES
    whole = path.read_text()
    path.write_text(whole + '{"source": 3}\n[]\n' + whole[:40])
    assert len(read_latency_records(tmp_path)) == 1
