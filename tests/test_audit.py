"""`python -m nastk.audit` on real searches: what it trains, that a killed one goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nastk.runs.audit import Audit, read_audit
from nastk.runs.folder import held
from tests.commands import call, run
from tests.reports import folders
from tests.test_tabular_search import SPACE, table

__all__ = ["table"]

Capture = pytest.CaptureFixture[str]
SEARCH = (
    *("+space=nasnet", "space.blocks=2", "trials=5", "evaluator.epochs=1", "data.subset=320", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.batch=16", "evaluator.threads=1", "target.seconds=0.05"),
)
AUDIT = ("cells=4", "epochs=2")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny search."""
    folder = tmp_path_factory.mktemp("searched") / "run"
    call("search", f"run={folder}", *SEARCH)
    return folder


@pytest.fixture
def copy(searched: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(searched, tmp_path / "run"))


def audited(folder: Path) -> Audit:
    found = read_audit(folder)
    assert found is not None
    return found


def results(audit: Audit) -> list[Any]:
    """What two audits of one search share: all but the seconds."""
    return [
        (cell.key, cell.rank, cell.accuracy, cell.mean("longer"), cell.mean("again"), len(cell.longer), len(cell.again))
        for cell in audit.cells
    ]


@pytest.mark.slow
def test_a_killed_audit_goes_on_to_the_results_of_an_unbroken_one(capsys: Capture, copy: Path) -> None:
    rows = [json.loads(line) for line in (copy / "trials.jsonl").read_text().splitlines()]
    accuracies = sorted((row["metrics"]["accuracy"] for row in rows if row["state"] == "complete"), reverse=True)
    broken = Path(shutil.copytree(copy, copy.with_name("broken")))
    whole = run(capsys, "audit", f"run={copy}", *AUDIT, "seeds=2")
    assert whole.code == 0, whole.err
    found = audited(copy)
    assert [(cell.rank, cell.accuracy) for cell in found.cells] == [(rank, accuracies[rank]) for rank in (0, 1, 3, 4)]
    assert all((len(cell.longer), len(cell.again)) == (2, 1) for cell in found.cells)
    for cell in found.cells:
        trainings = [*cell.longer, *cell.again]
        assert len({training.accuracy for training in trainings}) > 1, "the trainings have seeds of their own"
    assert found.finished
    assert found.sentence in whole.out
    assert f"Next: python -m nastk.report run={copy}" in whole.out
    assert "[12/12] tau so far" in whole.err
    assert not list(copy.glob("transfer/*")) and not list(copy.glob(".audit*"))

    command = [sys.executable, "-m", "nastk.audit", f"run={broken}", *AUDIT, "seeds=2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        start = time.monotonic()
        while not (broken / "audit.json").exists():
            assert process.poll() is None and time.monotonic() - start < 120
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert not audited(broken).finished
    assert run(capsys, "report", f"run={broken}").code == 0
    assert "The audit is not finished" in (broken / "report.html").read_text()
    again = run(capsys, "audit", f"run={broken}", *AUDIT, "seeds=2")
    assert "going on after" in again.err
    assert results(audited(broken)) == results(found)
    assert audited(broken).sentence == found.sentence

    before = (copy / "audit.json").read_bytes()
    done = run(capsys, "audit", f"run={copy}", *AUDIT, "seeds=2")
    assert (done.code, found.sentence in done.out, (copy / "audit.json").read_bytes()) == (0, True, before)
    for other, said in (("seeds=1", "seeds=2, this command has 1"), ("noise=false", "noise=True, this command has")):
        assert said in run(capsys, "audit", f"run={copy}", *AUDIT, "seeds=2", other).line
    assert (copy / "audit.json").read_bytes() == before


def test_more_cells_than_there_are_takes_all_on_all_images(capsys: Capture, copy: Path) -> None:
    outcome = run(capsys, "audit", f"run={copy}", "cells=20", "epochs=1", "all_images=true", "noise=false")
    assert outcome.code == 0, outcome.err
    assert "the search trained 5 cells, not 20: all are taken" in outcome.err
    found = audited(copy)
    assert [cell.rank for cell in found.cells] == [0, 1, 2, 3, 4]
    assert found.noise is None and found.agreement is not None
    mean = sum(cell.mean("longer") or 0 for cell in found.cells) / 5
    assert mean > sum(cell.accuracy for cell in found.cells) / 5, "three times as many images teach more"
    assert run(capsys, "report", f"run={copy}").code == 0
    page = (copy / "report.html").read_text()
    assert "Does the search rank cells, or noise?" in page
    assert "1 epochs in place of 1, on all training images" in page


def test_cells_that_diverge_are_recorded_and_said(capsys: Capture, copy: Path) -> None:
    change(copy, "evaluator.learning_rate", 1e30)
    change(copy, "evaluator.clip", 0.0)
    line = run(capsys, "audit", f"run={copy}", *AUDIT).line
    assert "0 of 4 cells were trained longer, too few to compare: diverged" in line
    assert "move audit.json away" in line
    assert [len(cell.again) for cell in audited(copy).cells] == [0] * 4
    assert run(capsys, "report", f"run={copy}").code == 0
    assert "too few to compare: diverged" in (copy / "report.html").read_text()


def test_a_table_answers_for_longer_training(capsys: Capture, tmp_path: Path, table: str) -> None:
    place = f"run={tmp_path / 'tabular'}"
    assert run(capsys, "search", place, *SPACE, table, "controller=random", "trials=12").code == 0
    assert "epochs=9: a table answered this search" in run(capsys, "audit", place, "epochs=9").line
    outcome = run(capsys, "audit", place, "cells=8")
    assert outcome.code == 0, outcome.err
    found = audited(tmp_path / "tabular")
    # In this table the accuracy of the longer training is that of the short one and 5 points.
    assert found.agreement is not None and found.agreement.tau == 1.0
    assert all((cell.mean("longer") or 0) == pytest.approx(cell.accuracy + 0.05) for cell in found.cells)
    assert "ranks these cells: tau 1.00" in outcome.out


def change(folder: Path, name: str, value: Any) -> None:
    """Changes a setting in a run's config.yaml."""
    path = folder / "config.yaml"
    config = OmegaConf.load(path)
    OmegaConf.update(config, name, value)
    OmegaConf.save(config, path)


def _keep(folder: Path, lines: int) -> None:
    path = folder / "trials.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


@pytest.mark.parametrize(
    ("damage", "arguments", "said"),
    [
        (lambda run: None, ("cells=1",), "cells=1: expected 3 to 200"),
        (lambda run: None, ("cells=x",), "cells='x': str, expected int"),
        (lambda run: None, ("cels=4",), "unknown setting 'cels'; nearest is 'cells'"),
        (lambda run: None, ("epochs=1",), "epochs=1: expected more than the search's 1"),
        (lambda run: None, ("epochs=0",), "epochs=0: expected more than the search's 1"),
        (lambda run: None, ("epochs=0", "all_images=true"), "epochs=0"),
        (lambda run: None, ("seeds=0",), "seeds=0: expected 1 to 100"),
        (lambda run: _keep(run, 2), (), "the search trained 2 cells, expected 3 at least"),
        (lambda run: _keep(run, 0), (), "the search trained 0 cells"),
        (lambda run: (run / "trials.jsonl").unlink(), (), "trials.jsonl: no such file"),
        (lambda run: (run / "trials.jsonl").write_text("{\n"), (), "trials.jsonl:1: not JSON"),
        (lambda run: (run / "config.yaml").write_text("seed: 0\n"), (), "config.yaml: has no evaluator"),
        (lambda run: (run / "config.yaml").write_text("seed: 0\nevaluator: 3\n"), (), "evaluator=3, expected"),
        (lambda run: change(run, "evaluator.epochs", "many"), (), "evaluator.epochs='many', expected the search's"),
        (lambda run: change(run, "evaluator.batch", 10**6), (), "batch=1000000"),
        (lambda run: change(run, "seed", 5), (), "data.json: "),
        (lambda run: (run / "audit.json").write_text("{"), (), "audit.json: not JSON"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    capsys: Capture, copy: Path, damage: Callable[[Path], object], arguments: tuple[str, ...], said: str
) -> None:
    damage(copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != ".held"}
    assert said in run(capsys, "audit", f"run={copy}", *arguments).line
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != ".held"}
    assert after == before


def test_a_record_of_another_run_is_refused(capsys: Capture, copy: Path) -> None:
    other = folders.write_run(copy.with_name("other"), folders.rows(12))
    shutil.copy(copy / "config.yaml", other / "config.yaml")
    assert run(capsys, "audit", f"run={copy}", *AUDIT, "noise=false").code == 0
    shutil.copy(copy / "audit.json", other / "audit.json")
    assert "they are of two runs" in run(capsys, "audit", f"run={other}", *AUDIT, "noise=false").line


def test_a_run_in_use_is_left_alone(capsys: Capture, copy: Path) -> None:
    with held(copy):
        assert f"in use by process {os.getpid()}" in run(capsys, "audit", f"run={copy}").line
