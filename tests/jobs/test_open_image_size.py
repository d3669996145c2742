"""A space that asks for the image size gets the one that the search chooses, in its first sitting as in later ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.config.build import load_yaml
from nastk.jobs.parts import make_space
from nastk.spaces import replay
from tests.commands import run

SPACE = (
    *(
        "+space._target_=nastk.spaces.StageSpace",
        "+space.size=null",
        "+space.stem=[{block: conv, width: 8, stride: 2}]",
    ),
    "+space.stages=[{block: conv, depth: 1, width: [8, 16], stride: 2}, {block: conv, depth: 1, width: 16, stride: 2}]",
)
QUICK = ("controller=random", "evaluator.epochs=1", "evaluator.threads=1", "data.subset=200", "target.seconds=0.02")


def test_candidates_are_those_of_the_recorded_space(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome = run(capsys, "search", *SPACE, *QUICK, f"run={folder}", "trials=1")
    assert outcome.code == 0, outcome.err
    recorded = load_yaml(folder / "config.yaml")
    assert recorded.space.size == 8
    (row,) = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert replay(make_space(recorded), row["choices"]).key == row["key"]
