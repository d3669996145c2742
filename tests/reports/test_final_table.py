"""The final table: what it takes from which file, and how it looks in a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.reports import final_table, format_table
from nastk.reports.final_table import FinalRow
from nastk.reports.sections import networks
from nastk.reports.table_text import count, size, table_notes
from nastk.runs.contents import read_run
from tests.reports import folders


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "run", folders.rows(40))


def keys(run: Path) -> list[str]:
    """Keys of the front, the chosen one first."""
    return [candidate.key for candidate in read_run(run).front]


def test_before_any_transfer_the_chosen_candidate_of_the_search_stands_alone(run: Path) -> None:
    best = json.loads((run / "best.json").read_text())
    [row] = final_table(run)
    assert (row.key, row.stage) == (best["key"], "search")
    assert row.search_accuracy == best["metrics"]["accuracy"]
    assert row.latency_ms == {"fp32": best["metrics"]["latency_ms"]}
    assert not row.accuracy, "an accuracy on validation images is not one on test images"
    assert "(search)" in format_table([row])


def test_an_export_gives_accuracy_latency_and_size_of_each_precision(run: Path) -> None:
    key = keys(run)[0]
    folders.transfer(run, key, accuracy=0.97)
    folders.export(run, key)
    [row] = final_table(run)
    assert (row.stage, row.params, row.macs) == ("exported", 412_345, 21_500_000)
    assert row.accuracy == {"fp32": 0.9812, "int8": 0.9789}
    assert row.latency_ms == {"fp32": 0.912, "int8": 0.544}
    assert row.size_bytes == {"fp32": 1_690_000, "int8": 498_000}
    assert (row.recommended, row.file) == ("int8", run / "export" / key / "model.int8.onnx")


def test_the_chosen_network_is_first_then_the_most_accurate(run: Path) -> None:
    best, second, third = keys(run)[:3]
    for key, accuracy in ((second, 0.98), (third, 0.99), (best, 0.95)):
        folders.transfer(run, key, accuracy)
    assert [row.key for row in final_table(run)] == [best, third, second]


def test_an_export_that_is_being_made_is_not_there_yet(run: Path) -> None:
    folders.export(run, f".{keys(run)[0]}.x1.partial")
    assert [row.stage for row in final_table(run)] == ["search"]


def test_a_run_without_a_trained_candidate_gives_no_row(tmp_path: Path) -> None:
    rejected = [entry for entry in folders.rows(20) if entry["state"] == "rejected"]
    empty = folders.write_run(tmp_path / "empty", rejected)
    assert final_table(empty) == []
    assert format_table([]) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"precisions": []}, r"manifest.json: precisions \[\], expected an object"),
        ({"recommended": "model.tflite"}, r"recommended 'model.tflite', expected one of \['model.onnx'"),
        ({"precisions": {"fp32": {"size_bytes": 3}}}, r"precision 'fp32': .* expected an object with a file name"),
        ({"precisions": {"fp32": {"file": "a", "accuracy": "good"}}}, r"accuracy 'good', expected a finite number"),
        ({"warnings": "none"}, r"warnings 'none', expected a list"),
    ],
)
def test_a_malformed_manifest_is_named(run: Path, change: dict[str, object], said: str) -> None:
    key = keys(run)[0]
    folders.export(run, key)
    path = run / "export" / key / "manifest.json"
    folders.write(path, {**json.loads(path.read_text()), **change})
    with pytest.raises(UserError, match=said):
        final_table(run)


def test_the_text_is_aligned_and_complete() -> None:
    rows = [
        FinalRow(
            "0123456789abcdef",
            "exported",
            412_345,
            21_500_000,
            0.962,
            {"fp32": 0.9812, "int8": 0.9789},
            {"fp32": 0.912, "int8": 10.544},
            {"fp32": 1_690_000, "int8": 498_000},
            "int8",
        ),
        FinalRow("fedcba9876543210", "transferred", 5_290_000, 564_000_000, None, {"fp32": 0.74}),
    ]
    assert format_table(rows).splitlines() == [
        "                                     accuracy (%)      latency p50 (ms)      file size",
        "network     parameters     MACs  search   fp32   int8     fp32     int8     fp32      int8  ship",
        "----------  ----------  -------  ------  -----  -----  -------  -------  -------  --------  ----",
        "0123456789       412 k  21.50 M   96.20  98.12  97.89    0.912   10.544  1.69 MB  498.0 kB  int8",
        "fedcba9876      5.29 M    564 M       -  74.00      -        -        -        -         -  -",
    ]


def test_numbers_are_written_as_people_do() -> None:
    assert [count(value) for value in (None, 12, 9_999, 564_000_000, 23_800_000_000)] == [
        "-",
        "12",
        "10.00 k",
        "564 M",
        "23.80 B",
    ]
    assert [size(value) for value in (None, 900, 1_690_000)] == ["-", "0.9 kB", "1.69 MB"]


def test_ranked_networks_stand_in_their_order_with_what_they_were_ranked_by(run: Path) -> None:
    best, second, third = keys(run)[:3]
    for key, accuracy in ((best, 0.99), (second, 0.97), (third, 0.98)):
        folders.transfer(run, key, accuracy)
        path = run / "transfer" / key / "metrics.json"
        folders.write(path, {**json.loads(path.read_text()), "validation_accuracy": accuracy - 0.01})
    ranks = [{"key": key, "rank": rank} for rank, key in enumerate((second, best), start=1)]
    folders.write(run / "transfer" / "ranking.json", {"schema": 1, "networks": ranks})
    rows = final_table(run)
    assert [row.key for row in rows] == [second, best, third]
    assert [row.validation_accuracy for row in rows] == [0.96, 0.98, 0.97]
    assert "held out" in format_table(rows)


def test_the_size_of_a_transferred_network_and_its_limits_are_shown(run: Path) -> None:
    key = keys(run)[0]
    folders.transfer(run, key)
    assert " limit " not in format_table(final_table(run))
    folders.write(run / "transfer" / key / "network.json", {"schema": 1, "config": {"cells": 4, "filters": 24}})
    limits = {"max_latency_ms": 0.5, "max_params": 100_000, "max_macs": 2e6, "max_memory_mb": 1.5}
    folders.write(run / "transfer" / key / "shape.json", {"schema": 1, "limits": limits})
    heads, _, row = format_table(final_table(run)).splitlines()[1:]
    assert heads.split()[:6] == ["network", "parameters", "MACs", "N", "F", "limit"]
    assert "4  24  0.5 ms, 100 k parameters, 2.00 M MACs, 1.5 MB activations" in row


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("shape.json", {"schema": 1}, r"shape.json: limits None, expected an object"),
        ("shape.json", {"schema": 1, "limits": {"max_params": "many"}}, r"max_params 'many', expected a finite number"),
        ("network.json", {"schema": 1, "config": {"cells": []}}, r"network.json: cells \[\], expected a finite number"),
    ],
)
def test_a_malformed_size_is_named(run: Path, name: str, data: dict[str, object], said: str) -> None:
    key = keys(run)[0]
    folders.transfer(run, key)
    folders.write(run / "transfer" / key / name, data)
    with pytest.raises(UserError, match=said):
        final_table(run)


def spoilt(run: Path, key: str, **latency: object) -> dict[str, Any]:
    """An export whose int8 file was timed on a busy machine."""
    folders.export(run, key)
    path = run / "export" / key / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["precisions"]["int8"]["latency_ms"] |= {"p50": 9.8, "min": 1.72, "spread": 0.07, **latency}
    folders.write(path, manifest)
    return dict(manifest)


@pytest.mark.parametrize(
    ("latency", "said"),
    [
        ({}, "p50 varied by 7 % between repeats, p50 is 5.7 times the quickest run"),
        ({"steady": False, "doubt": "3 others wanted to run on 2 cores"}, "3 others wanted to run on 2 cores"),
        ({"steady": True, "doubt": None}, ""),
    ],
    ids=["an export of before", "one in doubt", "one that is trusted"],
)
def test_a_latency_that_cannot_be_trusted_is_marked_and_explained(run: Path, latency: dict[str, object], said: str):
    key = keys(run)[0]
    spoilt(run, key, **latency)
    [row] = final_table(run)
    assert row.doubts == ({"int8": said} if said else {})
    assert ("9.800 ?" in format_table([row])) is bool(said) and "0.912 ?" not in format_table([row])
    doubts = [note for note in table_notes([row]) if note.startswith("?")]
    assert doubts == [f"? the latency in int8 is not trustworthy: {said}; the machine was busy."] * bool(said)


def test_a_candidate_of_the_search_that_was_timed_on_a_busy_machine_is_marked(run: Path) -> None:
    best = json.loads((run / "best.json").read_text())
    folders.write(run / "best.json", {**best, "metrics": {**best["metrics"], "latency_steady": 0.0}})
    assert " ?" in format_table(final_table(run)) and "busy during the search" in table_notes(final_table(run))[0]
    folders.write(run / "best.json", {**best, "metrics": {**best["metrics"], "latency_steady": 1.0}})
    assert " ?" not in format_table(final_table(run)) and table_notes(final_table(run)) == []


def test_a_broken_budget_is_told_of_exports_of_before_too(run: Path) -> None:
    key = keys(run)[0]
    folders.transfer(run, key)
    manifest = spoilt(run, key)
    [late] = final_table(run)[0].broken
    assert "model.int8.onnx takes 9.8 ms (p50, not trustworthy: p50 varied by 7 %" in late
    assert "max_latency_ms is 1.2" in late and table_notes(final_table(run))[0] == f"Over its budget: {late}."
    folders.write(run / "transfer" / key / "shape.json", {"schema": 1, "limits": {"max_params": 400_000}})
    assert final_table(run)[0].broken == ("the network has 412,345 parameters, max_params is 400,000",)
    folders.write(run / "export" / key / "manifest.json", {**manifest, "budget": {"limits": {}, "broken": ["x"]}})
    assert final_table(run)[0].broken == ("x",)
    folders.write(run / "export" / key / "manifest.json", {**manifest, "budget": []})
    with pytest.raises(UserError, match=r"manifest.json: budget \[\], expected an object"):
        final_table(run)


def test_a_limit_on_the_foretold_latency_of_another_device_is_not_this_machines(run: Path) -> None:
    spoilt(run, keys(run)[0])
    config = run / "config.yaml"
    config.write_text(config.read_text() + "latency: {_target_: nastk.deploy.cost.sources.PredictorLatency}\n")
    assert final_table(run)[0].broken == ()


def test_balanced_accuracy_stands_beside_accuracy_where_it_is_known(run: Path) -> None:
    key = keys(run)[0]
    folders.transfer(run, key, accuracy=0.97)
    assert "balanced" not in format_table(final_table(run)), "trainings of before have none"
    path = run / "transfer" / key / "metrics.json"
    told = {"balanced_accuracy": 0.8125, "classes_without_test_images": ["cow"]}
    folders.write(path, json.loads(path.read_text()) | told)
    [row] = final_table(run)
    assert (row.balanced_accuracy, row.untested) == (0.8125, ("cow",))
    header, line = format_table([row]).splitlines()[1], format_table([row]).splitlines()[3]
    assert "balanced" in header and "81.25" in line
    assert "Without a test image, and in no accuracy on them: cow." in networks([row])
    folders.write(path, json.loads(path.read_text()) | {"classes_without_test_images": "cow"})
    with pytest.raises(UserError, match="classes_without_test_images 'cow', expected a list of names"):
        final_table(run)
