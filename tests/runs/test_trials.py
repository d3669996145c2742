"""trials.csv in a spreadsheet: what a reason quotes is text there, whatever it begins with."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nastk.runs.trials import Row, write_rows


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("@SUM(1,2)", "'@SUM(1,2)"),
        ("out of memory", "out of memory"),
        ('"quoted",\x1b[31mred', '"quoted",\\x1b[31mred'),
        ("", ""),
    ],
)
def test_a_reason_is_text_to_a_spreadsheet(reason: str, shown: str, tmp_path: Path) -> None:
    write_rows(tmp_path, [Row(0, "failed", "k" * 32, {}, {}, 1.0, reason, {})])
    with (tmp_path / "trials.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reason"] == shown
