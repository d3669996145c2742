"""Networks of a list that a board measures: one that it has no memory for is left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nastk.jobs.few_list import read_answers, read_list
from tests.commands import Outcome, run
from tests.deploy.targets.test_remote_farm import boards

__all__ = ["boards"]  # a fixture
Capture = pytest.CaptureFixture[str]
FEW = (
    *("bench", "few=6", "+space=nasbench201", "network.cells=1", "network.filters=4", "network.size=8", "few_pool=24"),
    *("target=remote", "target.host=a", "target.of=cpu", "target.seconds=0.01"),
)
# Notes each candidate, and does what "mode" says.
PYTHON = """#!/bin/sh
[ ! -e "$2"/candidate.onnx ] || sha256sum < "$2"/candidate.onnx >> {boards}/seen
seen=$(sort -u {boards}/seen 2>/dev/null | wc -l)
. {boards}/mode
exec {python} {boards}/a/python.py "$@"
"""
NO_MEMORY = """[ $seen -ne 3 ] || {
  echo 'nastk-remote:{"refused": "ONNX Runtime 1.31.1 cannot run the model (Failed to allocate memory for it)"}'
  exit
}
"""


@pytest.fixture
def mode(boards: Path) -> Path:
    """What a board does before it measures, in sh: a file."""
    (boards / "a" / "bin" / "python3").write_text(PYTHON.format(boards=boards, python=sys.executable))
    (boards / "mode").write_text("")
    return boards / "mode"


def few(capsys: Capture, folder: Path, *more: str) -> Outcome:
    return run(capsys, *FEW, f"out={folder}", *more)


def test_a_network_that_a_board_has_no_memory_for_is_left_out(mode: Path, tmp_path: Path, capsys: Capture) -> None:
    mode.write_text(NO_MEMORY)
    ran = few(capsys, tmp_path / "list")
    assert ran.code == 0, ran.err
    wanted = read_list(tmp_path / "list" / "networks.json")
    third = list(wanted.networks)[2]
    assert f"warning: {third} is left out: remote a: ONNX Runtime failed to allocate memory" in ran.err
    assert set(read_answers(tmp_path / "list" / "answers.csv", wanted)) == set(wanted.networks) - {third}
