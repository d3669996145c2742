"""prune.json: what was written is read back; whatever else stands in a record whose hash is right is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.runs.checksummed import write_checksummed
from nastk.runs.pruned import KIND, PRUNE, PruneStep, Pruning, read_pruning, read_prunings, write_pruning

STEP = PruneStep("width 0", 64.0, 48.0, {"params": 9.0}, {"params": 7.0}, 0.5, {"schema": 1})
RECORD = Pruning("a" * 32, {"limits": {"max_params": 8.0}}, (STEP,), "b" * 32, "c" * 64, {"params": 7.0})


def test_what_was_written_is_read_back_and_found_by_the_key_of_the_narrowed_network(tmp_path: Path) -> None:
    assert read_pruning(tmp_path) is None
    folder = tmp_path / "transfer" / RECORD.key
    folder.mkdir(parents=True)
    write_pruning(folder, RECORD)
    assert read_pruning(folder) == RECORD
    assert read_prunings(tmp_path) == {RECORD.key: RECORD}
    write_pruning(folder, replace(RECORD, steps=()))
    assert read_pruning(folder) == replace(RECORD, steps=())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("of", ""),
        ("of", 3),
        ("key", None),
        ("asked", []),
        ("asked", "limits"),
        ("cost", {"params": "many"}),
        ("steps", "width 0"),
        ("steps", 3),
        ("steps", [{}]),
        ("steps", [[]]),
        ("steps", [{**asdict(STEP), "genotype": [1]}]),
        ("steps", [{**asdict(STEP), "cost_after": 7}]),
        ("steps", [{**asdict(STEP), "lost": None}]),
        ("steps", [{**asdict(STEP), "more": 1}]),
    ],
)
def test_a_field_of_another_kind_is_refused(field: str, value: Any, tmp_path: Path) -> None:
    write_checksummed(tmp_path / PRUNE, KIND, {**asdict(RECORD), field: value})
    with pytest.raises(UserError, match=r"prune\.json: expected the steps of a pruning"):
        read_pruning(tmp_path)
