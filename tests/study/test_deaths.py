"""A candidate that the search's own process dies of twice is failed, and a kill stays what it was: nothing.

tests/faults/test_deadly_candidate.py has a whole command die of one.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna import load_study
from optuna.trial import TrialState

from nastk.evaluators import EvaluationFailed
from nastk.storages.journal_file import open_journal
from nastk.study.deaths import deaths, watching

ROOT = Path(__file__).parents[2]
# What comes of the second candidate in each of a folder's searches, and whether it is measured or trained then.
ENDS = {
    "segfault": ("trained", ["segfault", "segfault", "segfault"]),
    "abort": ("measured", ["abort", "abort", "abort"]),
    "kill": ("trained", ["kill", "kill", "live"]),
}
# Runs searches one after the other, each in a process of its own that has everything imported already.
SEARCHES = """
import json, os, sys, traceback
from pathlib import Path
from nastk.study.deaths import watching
from nastk.study.budget import Budget
from nastk.study.loop import search
from tests.ending import HOW, KEYS, end_with_the_second
from tests.simulated import Simulated, cost, inline, study_in

class Evaluator(Simulated):
    def evaluate(self, genotype, report):
        if where == "trained":
            end_with_the_second(genotype.key)
        return super().evaluate(genotype, report)

def measured(genotype):
    if where == "measured":
        end_with_the_second(genotype.key)
    return cost(genotype)

for name, (where, ways) in json.loads(sys.argv[2]).items():
    folder = Path(sys.argv[1]) / name
    for way in ways:
        child = os.fork()
        if child == 0:
            said = os.open(folder / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.environ[HOW], os.environ[KEYS] = way, str(folder / "keys")
            try:
                search(
                    study_in(folder), inline(Evaluator()), measured, Budget(trials=4), print, watched=watching(folder)
                )
                sys.stdout.flush()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[int]]]:
    """The folder of the folders of searches, and how each of a folder's searches ended."""
    place = tmp_path_factory.mktemp("ended")
    for name in ENDS:
        (place / name).mkdir()
    command = [sys.executable, "-c", SEARCHES, str(place), json.dumps(ENDS)]
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=given, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    return place, {name: [int(code) for one, code in lines if one == name] for name in ENDS}


@pytest.mark.parametrize(("name", "number"), [("segfault", signal.SIGSEGV), ("abort", signal.SIGABRT)])
def test_whatever_crashes_wherever_costs_that_candidate(ended, name: str, number: int) -> None:
    place, codes = ended
    said = (place / name / "said").read_text()
    assert codes[name] == [-number, -number, 0], said
    states = [trial.state for trial in load_study(study_name="search", storage=open_journal(place / name)).trials]
    assert (states.count(TrialState.COMPLETE), states.count(TrialState.FAIL)) == (4, 1), states
    assert said.count("died twice while") == 1


def test_kills_are_no_deaths_of_the_candidate_however_many_hit_it(ended) -> None:
    place, codes = ended
    said = (place / "kill" / "said").read_text()
    assert codes["kill"] == [-signal.SIGKILL, -signal.SIGKILL, 0], said
    assert "failed" not in said
    assert not list((place / "kill").glob("*crash-*"))


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
