"""The page says what is fused of the file to ship and what is not, and where that was not recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.reports.final_table import final_table
from nastk.reports.fusion_section import HEADING, fusion
from nastk.runs.contents import read_run
from tests.reports import folders

COUNTS = {
    "written": {"Conv": 12, "Relu": 9, "Add": 4},
    "run": {"Conv": 12, "Add": 4},
    "fused": {"Relu": 9},
    "not_fused": {"Add": 4},
    "conversions": 1,
    "layouts": 2,
}
SUMMARY = {"summary": "12 of 12 convolutions in int8, nothing in float"}


def section(folder: Path, facts: dict[str, Any], target: str = "cpu") -> str:
    run = folders.write_run(folder / "run", folders.rows(10))
    key = json.loads((run / "best.json").read_text())["key"]
    folders.transfer(run, key)
    folders.export(run, key)
    path = run / "export" / key / "manifest.json"
    manifest = json.loads(path.read_text())
    folders.write(path, {**manifest, "target": target, "targets": {target: {**manifest, **facts}}})
    found = read_run(run)
    return fusion(found, final_table(found))


def test_it_tells_types_counts_and_what_is_not_fused(tmp_path: Path) -> None:
    html = section(tmp_path, {"int8": SUMMARY, "fusion": {"model.int8.onnx": COUNTS}})
    assert "model.int8.onnx: 12 of 12 convolutions in int8, nothing in float." in html
    assert "Not fused, run by themselves: 4 Add. Between them: 1 conversion of" in html and "2 changes of" in html
    assert '<td class="left">Relu</td><td>9</td><td>-</td><td>9</td>' in html


def test_an_earlier_export_is_told_as_not_recorded(tmp_path: Path) -> None:
    html = section(tmp_path, {"int8": SUMMARY})
    assert "12 of 12 convolutions in int8" in html and "was not recorded: the file was exported by an earlier" in html


def test_another_runtime_is_told_as_such(tmp_path: Path) -> None:
    assert "not recorded for target tensorrt" in section(tmp_path, {}, "tensorrt")


def test_names_of_operators_run_nothing(tmp_path: Path) -> None:
    hostile = {"<script>alert(1)</script>": 1}
    html = section(tmp_path, {"fusion": {"model.int8.onnx": {**COUNTS, "run": hostile, "not_fused": hostile}}})
    assert "<script" not in html and html.count("&lt;script&gt;") == 2


@pytest.mark.parametrize("wrong", [{"fusion": 3}, {"fusion": {"model.int8.onnx": {**COUNTS, "run": {"Conv": "x"}}}}])
def test_a_damaged_record_names_the_field(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"manifest.json: target 'cpu': fusion"):
        section(tmp_path, wrong)


def test_nothing_is_said_of_a_run_without_an_export(tmp_path: Path) -> None:
    run = read_run(folders.write_run(tmp_path / "run", folders.rows(10)))
    assert HEADING and fusion(run, final_table(run)) == ""
