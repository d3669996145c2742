"""Sweeps: every job has a folder of its own, one that fails stops no other, and the same command goes on."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hydra.errors import MissingConfigException

from nastk.cli.launch import _understood
from nastk.cli.mistakes import _explain
from nastk.cli.sweeps import gpu_of_job
from nastk.config.build import shipped
from nastk.errors import UserError
from nastk.runs.sweep_jobs import JobNote, plan_jobs, read_notes, write_note
from tests.commands import run

Capture = pytest.CaptureFixture[str]
NAMES = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
OPS = np.array(list(itertools.product((0, 1, 3), repeat=6)), dtype=np.uint8)
SPACE = ("+space=nasbench201", "space.ops=[zero,identity,conv_3x3]", "evaluator=tabular")


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A whole table of a small space."""
    worth = 10 + (OPS == 3).sum(axis=1) * 12 + np.random.default_rng(0).normal(0, 2, len(OPS))
    np.savez(
        tmp_path / "table.npz",
        op_names=NAMES,
        ops=OPS,
        acc12_cifar10_valid=worth.astype(np.float32),
        acc200_cifar10_test_nats=worth.astype(np.float32),
        cost12_cifar10_s=np.ones(len(OPS), dtype=np.float32),
        params_cifar10=np.arange(len(OPS), dtype=np.int32),
    )
    return f"evaluator.table={tmp_path / 'table.npz'}"


def summary(folder: Path) -> list[dict[str, object]]:
    """Returns sweep.json's jobs."""
    jobs: list[dict[str, object]] = json.loads((folder / "sweep.json").read_text())["jobs"]
    return jobs


def test_a_job_that_fails_stops_no_other_and_the_same_command_goes_on(
    capsys: Capture, tmp_path: Path, table: str
) -> None:
    folder = tmp_path / "sweep"
    where = f"hydra.sweep.dir={folder}"
    ops = "space.ops=[zero,conv_3x4],[zero,identity,conv_3x3]"
    command = ("-m", SPACE[0], SPACE[2], table, ops, "controller=random,evolution", where)
    outcome = run(capsys, "search", *command, "trials=4")
    assert outcome.code == 1
    assert "[job 2: 002-nasbench201-random-seed0]" in outcome.err
    assert "2 of 4 jobs did not end well: job 0 (unknown op in space: ops 'conv_3x4'; nearest" in outcome.err
    assert [line.split()[0] for line in outcome.out.splitlines() if line.startswith(tuple("0123"))] == list("0123")
    jobs = summary(folder)
    assert [job["state"] for job in jobs] == ["failed", "failed", "complete", "complete"]
    assert [job["trained"] for job in jobs] == [0, 0, 4, 4]
    assert jobs[2]["run"] == "002-nasbench201-random-seed0"
    assert "controller=random" in jobs[2]["overrides"]  # type: ignore[operator]
    page = (folder / "sweep.html").read_text()
    assert "conv_3x4" in page
    assert "Fronts of 2 searches" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")

    again = run(capsys, "search", *command, "trials=6")
    assert again.code == 1
    assert again.err.count("going on after") == 2
    assert [job["trained"] for job in summary(folder)] == [0, 0, 6, 6]
    other = run(capsys, "search", *command[:-2], "controller=evolution,random", where)
    assert "job 0 of this sweep had controller=random, this command gives it controller=evolution" in other.line
    assert run(capsys, "report", f"sweep={folder}").code == 0
    assert [job["trained"] for job in summary(folder)] == [0, 0, 6, 6]


@pytest.mark.parametrize(
    ("place", "message"),
    [("", "expected a folder of its own"), ("run", "is a run's folder")],
)
def test_a_sweep_takes_neither_no_folder_nor_a_runs(
    capsys: Capture, tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    before = sorted(tmp_path.rglob("*"))
    assert message in run(capsys, "search", "-m", *SPACE, table, f"hydra.sweep.dir={place}").line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_without_a_job_is_one_line(capsys: Capture, tmp_path: Path) -> None:
    line = run(capsys, "search", "-m", "+space=nasnet", "seed=range(0)", f"runs={tmp_path / 'runs'}").line
    assert "the sweep has no job" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow  # a minute of processes that start
def test_sweeps_that_start_at_once_share_no_folder(tmp_path: Path, table: str) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    sweep = ("-m", *SPACE, table, f"runs={tmp_path / 'runs'}", "trials=3", "controller=random", "seed=range(2)")
    launchers = (("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), ("hydra/launcher=submitit_local",))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Both wait for one moment, so that they make their folders in the same second.
    start = f"import time; time.sleep(max(0, {time.time() + 8} - time.time())); import nastk.search as s; s.main()"
    start = f"import nastk.cli.launch, nastk.jobs.search; {start}"
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", start, *sweep, *launcher],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for launcher in launchers
    ]
    try:
        for driver in drivers:
            said, _ = driver.communicate(timeout=150)
            assert driver.returncode == 0, said
    finally:
        for driver in drivers:
            driver.kill()
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    for folder in folders:
        jobs = summary(folder)
        assert [(job["state"], job["trained"]) for job in jobs] == [("complete", 3), ("complete", 3)]
        assert len({job["run"] for job in jobs}) == 2
    holders = [path.read_text() for path in (tmp_path / "runs").glob("*/*/.held")]
    assert len(holders) == len(set(holders)) == 4


def test_gpus_are_dealt_out_by_job_unless_somebody_else_does() -> None:
    assert [gpu_of_job(number, 3, {}) for number in range(5)] == ["0", "1", "2", "0", "1"]
    assert gpu_of_job(1, 1, {}) is None
    assert gpu_of_job(1, 0, {}) is None
    assert gpu_of_job(1, 3, {"CUDA_VISIBLE_DEVICES": "2"}) is None
    assert gpu_of_job(1, 3, {"SLURM_JOB_ID": "7"}) is None


def test_a_sweep_takes_several_paths() -> None:
    assert _understood("data.root=/a b,/c", swept=True) == "data.root='/a b','/c'"
    assert _understood("data.root=/a b") == "data.root='/a b'"
    assert _understood("data.root=glob(*)", swept=True) == "data.root=glob(*)"
    assert _understood("run=7", swept=True) == "run='7'"


@pytest.mark.parametrize("name", ["joblib", "submitit_local", "submitit_slurm"])
def test_a_launcher_that_is_not_installed_names_its_extra(name: str) -> None:
    error = MissingConfigException(f"Could not find 'hydra/launcher/{name}'", f"hydra/launcher/{name}", ["basic"])
    assert "not installed; pip install 'nastk[sweeps]'" in _explain(error, "search", [])


def test_slurm_is_asked_for_where_it_is(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("-m", *SPACE, "evaluator.table=x", "hydra/launcher=slurm_example", f"runs={tmp_path}")
    assert "SLURM's sbatch is not on this machine" in run(capsys, "search", *words).line
    assert list(tmp_path.iterdir()) == []
    text = (shipped("conf") / "hydra" / "launcher" / "slurm_example.yaml").read_text()
    settings = [line for line in text.split("submitit_slurm\n")[1].splitlines() if line and not line.startswith(" ")]
    assert sum("# CHANGE: " in line for line in settings) >= 9


def test_notes_of_another_sweep_or_damaged_ones_are_named(tmp_path: Path) -> None:
    plan_jobs(tmp_path, [("seed=0", "trials=3"), ("seed=1", "trials=3")])
    plan_jobs(tmp_path, [("seed=0", "trials=9"), ("seed=1",), ("seed=2",)])
    assert [note.number for note in read_notes(tmp_path)] == [0, 1, 2]
    with pytest.raises(UserError, match="job 1 of this sweep had seed=1, this command gives it seed=7"):
        plan_jobs(tmp_path, [("seed=0",), ("seed=7",)])
    write_note(tmp_path, JobNote(0, (), run="../elsewhere"))
    with pytest.raises(UserError, match="expected the name of a folder"):
        read_notes(tmp_path)
    (tmp_path / ".jobs" / "0000.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        read_notes(tmp_path)
