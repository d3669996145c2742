"""The journal's lock: a dead process's is taken at once, a living one's and another machine's are respected."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileSymlinkLock

from nastk.errors import UserError
from nastk.storages import journal_lock
from nastk.storages.journal_lock import JournalLock

HOLD = """
import os, signal, sys
from pathlib import Path
from nastk.storages.journal_lock import JournalLock
lock = JournalLock(Path(sys.argv[1]))
lock.acquire()
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal's."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "study.journal").touch()
    return folder / "study.journal"


def die_with_lock(path: Path) -> Path:
    """Has a process die that holds the lock; returns the lock's path."""
    died = subprocess.run([sys.executable, "-c", HOLD, str(path), "die"], check=False)
    assert died.returncode == -signal.SIGKILL
    lock = path.with_name("study.journal.lock")
    assert lock.exists()
    return lock


def never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test where somebody waits for a lock."""

    def waits(seconds: float) -> None:
        pytest.fail("waits for the lock")

    monkeypatch.setattr(journal_lock.time, "sleep", waits)


@pytest.mark.parametrize("renamed", [False, True])
def test_the_lock_of_a_dead_process_is_taken_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    die_with_lock(path)
    if renamed:
        path = path.parent.rename(path.parent.with_name("renamed")) / path.name
    never_waits(monkeypatch)
    with JournalLock(path).held():
        owner = json.loads(path.with_name("study.journal.lock").read_text())
        assert owner["pid"] == os.getpid()
    assert [found.name for found in path.parent.iterdir()] == ["study.journal"]


def test_the_lock_of_a_living_process_is_waited_for_and_named(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", HOLD, str(path), "live"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with monkeypatch.context() as patch:
            patch.setattr(journal_lock, "TELL_SECONDS", 0.0)
            patch.setattr(journal_lock, "GRACE_SECONDS", 0.2)
            with pytest.raises(UserError, match=f"has been the lock of process {holder.pid} on .* remove this file"):
                JournalLock(path).acquire()
        assert f"waiting for process {holder.pid} on " in capsys.readouterr().err
        assert path.with_name("study.journal.lock").exists()
        holder.stdin.close()
        with JournalLock(path).held():
            assert holder.wait(60) == 0


def test_the_lock_of_another_machine_is_respected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = die_with_lock(path)
    lock.write_text(json.dumps({"pid": 7, "host": "elsewhere", "boot": "another"}))
    monkeypatch.setattr(journal_lock, "GRACE_SECONDS", 0.2)
    with pytest.raises(UserError, match="process 7 on elsewhere"):
        JournalLock(path).acquire()
    assert lock.exists()


def test_the_lock_of_this_machine_before_it_started_anew_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = die_with_lock(path)
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "boot": "before"}))
    never_waits(monkeypatch)
    with JournalLock(path).held():
        pass


@pytest.mark.parametrize("target", ["runs/a/study.journal", "study.journal"], ids=["dangling", "whole"])
def test_a_lock_of_optunas_own_is_waited_for_and_taken_when_it_is_old(
    path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    lock = path.with_name("study.journal.lock")
    lock.symlink_to(target)  # as optuna-dashboard's, which is given a path from where it was started
    threading.Timer(0.3, lock.unlink).start()
    with JournalLock(path).held():
        assert not lock.is_symlink()
    lock.symlink_to(target)
    long_ago = time.time() - 60
    os.utime(lock, (long_ago, long_ago), follow_symlinks=False)
    never_waits(monkeypatch)
    with JournalLock(path).held():
        assert not lock.is_symlink()


def test_optunas_own_lock_keeps_away(path: Path) -> None:
    got = threading.Event()
    theirs = JournalFileSymlinkLock(str(path))
    with JournalLock(path).held():
        waiting = threading.Thread(target=lambda: theirs.acquire() and got.set())
        waiting.start()
        assert not got.wait(0.3)
    waiting.join(60)
    assert got.is_set()
    theirs.release()


def test_where_there_are_no_hard_links_it_is_a_lock_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*names: object, **more: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refused)
        with JournalLock(path).held():
            patch.setattr(journal_lock, "GRACE_SECONDS", 0.2)
            with pytest.raises(UserError, match=f"process {os.getpid()} on"):
                JournalLock(path).acquire()
    assert [found.name for found in path.parent.iterdir()] == ["study.journal"]
