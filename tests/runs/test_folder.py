"""The run folder: never shared, never mixed, its journal checked before it is read."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nastk.errors import UserError
from nastk.files import write_bytes, write_json
from nastk.runs.folder import existing_run, held, named_run, new_run, record_config
from nastk.storages.journal_file import repair_journal
from nastk.study.budget import Budget
from nastk.study.loop import search
from tests.simulated import Simulated, cost, inline, study_in


def _new_run(runs: str) -> str:
    return str(new_run(runs, "nasnet"))


def test_runs_that_start_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        folders = pool.map(_new_run, [str(tmp_path)] * 12)
    assert len(set(folders)) == 12
    assert all(Path(folder).is_dir() for folder in folders)


def test_a_name_lies_below_runs_and_a_path_is_itself() -> None:
    assert named_run("a", "runs") == Path("runs/a")
    assert named_run("x/a", "runs") == Path("x/a")
    with pytest.raises(UserError, match="run=''"):
        named_run("", "runs")


def test_an_unknown_run_names_the_nearest_and_none_names_the_latest(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match="nearest is 'first'"):
        existing_run("fisrt", str(tmp_path))
    with pytest.raises(UserError, match="latest is run=first"):
        existing_run(None, str(tmp_path))


def test_a_folder_held_by_another_process_is_refused_and_free_once_it_is_killed(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from nastk.runs.folder import held
        with held(Path({str(tmp_path)!r})):
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by process {other.pid}"), held(tmp_path):
            pass
        other.kill()
        other.wait()
    with held(tmp_path):
        pass


def test_a_run_of_another_configuration_is_refused_and_unchanged(tmp_path: Path) -> None:
    config = OmegaConf.create({"run": None, "trials": 5, "space": {"blocks": 5, "ops": ["a", "b"]}, "seed": 0})
    assert record_config(tmp_path, config) == []
    before = (tmp_path / "config.yaml").read_bytes()
    assert record_config(tmp_path, config) == []
    other = OmegaConf.merge(config, {"space": {"blocks": 4}})
    with pytest.raises(UserError, match=r"space.blocks=5, this command has 4"):
        record_config(tmp_path, other)  # type: ignore[arg-type]
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_more_trials_and_another_controller_may_go_on_and_are_said(tmp_path: Path) -> None:
    record_config(tmp_path, OmegaConf.create({"trials": 5, "controller": {"_target_": "a"}}))
    changed = record_config(tmp_path, OmegaConf.create({"trials": 9, "controller": {"_target_": "b"}}))
    assert any("trials: 5 before, 9 now" in line for line in changed)
    assert any("'a' before, 'b' now" in line for line in changed)
    kept = OmegaConf.load(tmp_path / "config.yaml")
    assert kept.trials == 9
    assert [line.split(" ", 2)[2] for line in kept.changes] == changed
    assert record_config(tmp_path, OmegaConf.create({"trials": 9, "controller": {"_target_": "b"}})) == []


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    study = study_in(tmp_path)
    rows: list[str] = []
    search(study, inline(Simulated()), cost, Budget(trials=4), lambda row: rows.append(json.dumps(row.to_dict())))
    (tmp_path / "trials.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_journal_cut_within_its_last_line_is_mended(searched: Path) -> None:
    path = searched / "study.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"wor')
    assert "17 bytes" in (repair_journal(searched) or "")
    assert path.read_bytes() == whole
    assert repair_journal(searched) is None


def test_a_journal_that_lost_trials_is_refused_and_unchanged(searched: Path) -> None:
    path = searched / "study.journal"
    for size in (0, 400, path.stat().st_size // 2):
        cut = path.read_bytes()[:size]
        path.write_bytes(cut)
        with pytest.raises(UserError, match="cut short, it has . finished trials where trials.jsonl has 4"):
            repair_journal(searched)
        assert path.read_bytes() == cut
    path.unlink()
    with pytest.raises(UserError, match="missing, but trials.jsonl has 4 trials"):
        repair_journal(searched)


def test_a_journal_damaged_in_the_middle_is_refused_by_line(searched: Path) -> None:
    path = searched / "study.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5][: len(lines[5]) // 2] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="line 6 is damaged"):
        repair_journal(searched)


def test_a_lock_left_by_a_killed_process_does_not_hold_up_the_next(searched: Path) -> None:
    lock = searched / "study.journal.lock"
    lock.symlink_to(searched / "study.journal")  # as Optuna's are, which say nothing of their owner
    os.utime(lock, (time.time() - 60, time.time() - 60), follow_symlinks=False)
    repair_journal(searched)
    assert not (searched / "study.journal.lock").is_symlink()


def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": 1}
    with pytest.raises(UserError, match=r"cannot be written"):
        write_bytes(tmp_path / "missing" / "a", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
