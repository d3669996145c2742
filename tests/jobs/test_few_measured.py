"""Networks of a list that a board measures: what it has no memory for is left out, what was interrupted goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nastk.jobs.few_list import answers_so_far, read_answers, read_list
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


def test_what_was_interrupted_goes_on_with_the_networks_that_are_left(mode: Path, tmp_path: Path, capsys: Capture):
    folder = tmp_path / "list"
    mode.write_text("[ $seen -lt 4 ] || exit 1\n")
    ended = few(capsys, folder)
    assert ended.code == 2 and "remote a: measuring ended with exit code 1" in ended.line
    wanted = read_list(folder / "networks.json")
    before = answers_so_far(folder / "answers.csv", wanted)
    assert list(before) == list(wanted.networks)[:3]
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
    (mode.parent / "seen").unlink()
    mode.write_text("")
    other = few(capsys, folder, "few_pool=25")
    assert other.code == 2 and "holds another list, expected a new folder, or that of these 6 networks" in other.line
    int8 = few(capsys, folder, "target.precision=int8")
    assert int8.code == 2 and "in int8 of a pool of 24, to go on with" in int8.line
    ran = few(capsys, folder)
    assert ran.code == 0, ran.err
    assert "3 of 6 were measured before" in ran.err
    assert len(set((mode.parent / "seen").read_text().split())) - 1 == 3, "each of the others, sha256sum's dash beside"
    after = read_answers(folder / "answers.csv", wanted)
    assert list(after) == list(wanted.networks) and {name: after[name] for name in before} == before
    assert written == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
    assert (folder / "latency-predictor.json").is_file()
