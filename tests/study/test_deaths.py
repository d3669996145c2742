"""A candidate that the search's own process dies of twice is failed, and a kill stays what it was: nothing."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nastk.evaluators import EvaluationFailed
from nastk.study.deaths import deaths, watching
from tests.ending import HOW, KEYS

ROOT = Path(__file__).parents[2]
LIGHT = """
import sys
from pathlib import Path
from nastk.study.deaths import watching
from nastk.study.budget import Budget
from nastk.study.loop import search
from tests.ending import end_with_the_second
from tests.simulated import Simulated, cost, inline, study_in

folder, where = Path(sys.argv[1]), sys.argv[2]

class Evaluator(Simulated):
    def evaluate(self, genotype, report):
        if where == "trained":
            end_with_the_second(genotype.key)
        return super().evaluate(genotype, report)

def measured(genotype):
    if where == "measured":
        end_with_the_second(genotype.key)
    return cost(genotype)

search(study_in(folder), inline(Evaluator()), measured, Budget(trials=4), print, watched=watching(folder))
"""
SEARCH = (
    *("-m", "nastk.search", "+space=nasnet", "space.blocks=2", "trials=3", "seed=7", "controller=random"),
    *("evaluator._target_=tests.crashing.Crashing", "allow_targets=[tests.crashing]", "evaluator.threads=1"),
    *("evaluator.epochs=1", "data.subset=300", "evaluator.network.filters=4", "target.seconds=0.02"),
)


def ran(folder: Path, how: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, KEYS: str(folder / "keys"), HOW: how, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=600, check=False)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_a_search_that_a_candidate_ends_twice_fails_it_and_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ends = [ran(tmp_path, "abort", *SEARCH, f"run={run}") for _ in range(3)]
    assert [end.returncode for end in ends] == [-signal.SIGABRT, -signal.SIGABRT, 0], ends[-1].stderr
    assert "trial 1 ended the last process (Aborted); it is tried once more" in ends[1].stderr
    failed = [row for row in rows(run) if row["state"] == "failed"]
    assert [row["number"] for row in failed] == [1]
    assert failed[0]["reason"] == (
        "the search's process died twice while this candidate was under way (Aborted; see crash-1.log)"
    )
    assert sum(row["state"] == "complete" for row in rows(run)) == 3
    assert "Crashing" not in ends[2].stderr
    assert "in end_with_the_second" in (run / "crash-1.log").read_text()
    assert not list(run.glob(".crash-*"))


@pytest.mark.parametrize(
    ("how", "where", "number"),
    [("segfault", "trained", signal.SIGSEGV), ("abort", "measured", signal.SIGABRT)],
)
def test_whatever_crashes_wherever_costs_that_candidate(tmp_path: Path, how: str, where: str, number: int) -> None:
    ends = [ran(tmp_path, how, "-c", LIGHT, str(tmp_path), where) for _ in range(3)]
    assert [end.returncode for end in ends] == [-number, -number, 0], ends[-1].stderr
    assert ends[2].stdout.count("state='complete'") == 3 if where == "trained" else 4
    assert ends[2].stdout.count("died twice while") == 1


def test_kills_are_no_deaths_of_the_candidate_however_many_hit_it(tmp_path: Path) -> None:
    for _ in range(2):
        assert ran(tmp_path, "kill", "-c", LIGHT, str(tmp_path), "trained").returncode == -signal.SIGKILL
    ended = ran(tmp_path, "live", "-c", LIGHT, str(tmp_path), "trained")
    assert ended.returncode == 0, ended.stderr
    assert "failed" not in ended.stdout
    assert not list(tmp_path.glob("*crash-*"))


SEGFAULT = "start {} boot\nFatal Python error: Segmentation fault\n\nCurrent thread:\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", []),
        ("start 5 boot\n" * 3, []),
        ("start 4 boot\nstart 5 boot\n", ["out of memory"]),
        ("start 3 boot\nstart 4 boot\n", ["out of memory", "out of memory"]),
        ("start 3 before\nstart 5 boot\n", []),
        ("start 3 before\n", []),
        (SEGFAULT.format(3) * 2, ["Segmentation fault", "Segmentation fault"]),
        (SEGFAULT.format(3) + "start 4 boot\n", ["Segmentation fault", "out of memory"]),
        ("start 5 boot\nFatal Python err", []),
    ],
)
def test_what_a_process_died_of_is_read_from_what_was_written(said: str, expected: list[str]) -> None:
    assert deaths(said, (5, "boot")) == expected


def test_what_ends_in_python_leaves_nothing(tmp_path: Path) -> None:
    was_enabled = faulthandler.is_enabled()
    for error in (KeyboardInterrupt, EvaluationFailed("diverged"), ValueError):
        (tmp_path / ".crash-3").write_text(SEGFAULT.format(0))
        with pytest.raises(error if isinstance(error, type) else type(error)), watching(tmp_path)(3):
            assert (tmp_path / ".crash-3").stat().st_size > len(SEGFAULT)
            raise error
        assert not list(tmp_path.iterdir())
    assert faulthandler.is_enabled() == was_enabled


def test_a_folder_without_room_is_trained_in_all_the_same(tmp_path: Path) -> None:
    with watching(tmp_path / "gone")(0):
        trained = True
    assert trained
