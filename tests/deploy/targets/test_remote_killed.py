"""A candidate that ends the process that measures it costs no board its place, and no search its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nastk.deploy.export.evaluation import latencies_of
from nastk.deploy.runtimes.suspects import FileFailed
from nastk.deploy.targets import RemoteTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from tests.commands import run
from tests.deploy.digits import exported_digits
from tests.deploy.networks import genotype
from tests.deploy.targets.test_remote_farm import CONFIG, boards

__all__ = ["boards"]  # a fixture
# Ends itself as the kernel ends what takes too much memory, where the candidate is large.
KILLED = """#!/bin/sh
[ -z "$(find "$2" -name 'candidate.*' -size +{kilobytes}k)" ] || kill -9 $$
exec {python} {board}/python.py "$@"
"""
LARGE = NetworkConfig(cells=1, filters=32, classes=10, channels=1, size=8)


def kills(board: Path, kilobytes: int) -> None:
    script = board / "bin" / "python3"
    script.write_text(KILLED.format(kilobytes=kilobytes, python=sys.executable, board=board))


def test_a_candidate_that_kills_two_boards_is_given_up_and_they_stay(boards: Path, capsys) -> None:
    machines, cell = RemoteTarget(hosts=("a", "b", "c"), of="cpu", seconds=0.02), genotype("nasbench201", 1)
    machines.cost(cell, CONFIG)
    for name in "abc":
        kills(boards / name, 500)
    with pytest.raises(FileFailed, match=r"ended by SIGKILL, as where memory runs out.*; remote [abc]: the same$"):
        machines.cost(cell, LARGE)
    assert {machines.cost(cell, CONFIG)["latency_host"] for _ in range(3)} == {0.0, 1.0, 2.0}
    assert "left out" not in capsys.readouterr().err


def test_a_board_that_has_no_memory_for_a_file_is_named_in_one_line(boards: Path, tmp_path: Path) -> None:
    exported = exported_digits(tmp_path / "digits")
    machine = RemoteTarget("a", of="cpu")
    machine.check()
    said = {"refused": "ONNX Runtime 1.31.1 cannot run the model (Failed to allocate memory for requested buffer)"}
    (boards / "a" / "bin" / "python3").write_text(f"#!/bin/sh\necho 'nastk-remote:{json.dumps(said)}'\n")
    message = r"^target remote: model.onnx, model.int8.onnx cannot be timed: remote a: ONNX Runtime failed to allocate "
    with pytest.raises(UserError, match=message):
        latencies_of(machine, exported, 0.01)
    with pytest.raises(MemoryError, match="^remote a: ONNX Runtime failed to allocate memory$"):
        machine.cost(genotype("nasbench201", 1), CONFIG)


def test_a_search_on_one_board_goes_on_without_the_candidates_that_kill_it(boards: Path, tmp_path: Path, capsys):
    script = boards / "a" / "bin" / "python3"
    times = boards / "times"
    first = f'[ ! -e "$2"/candidate.onnx ] || {{ echo >> {times}; [ $(wc -l < {times}) -gt 2 ] || kill -9 $$; }}\n'
    script.write_text(f'#!/bin/sh\n{first}exec {sys.executable} {boards}/a/python.py "$@"\n')
    space = ("+space=nasbench201", "data=digits", "controller=random", "trials=2", "evaluator.epochs=1")
    small = ("evaluator.network.cells=1", "evaluator.network.filters=4")
    remote = ("target=remote", "target.host=a", "target.of=cpu", "target.seconds=0.02")
    ran = run(capsys, "search", *space, *small, *remote, "run=x", f"runs={tmp_path / 'runs'}")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (tmp_path / "runs" / "x" / "trials.jsonl").read_text().splitlines()]
    failed = [row["reason"] for row in rows if row["state"] == "failed"]
    assert len(failed) == 1 and "SIGKILL" in failed[0] and failed[0].endswith("; a second time")
    assert sum(row["state"] == "complete" for row in rows) == 2
