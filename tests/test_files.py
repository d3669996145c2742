"""Writing: whole or not at all, whatever stops it, and what a kill left is taken away."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.files import append_line, remove_left_over, write_bytes, write_text
from nastk.storages.journal_file import Journal


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file of this process may grow beyond 4096 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # Python ignores SIGXFSZ: a write fails
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_keeps_its_content(tmp_path: Path, no_room: None) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"before")
    with pytest.raises(UserError, match=r"a\.bin: cannot be written"):
        write_bytes(path, bytes(5000))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"a.bin": b"before"}


def test_a_line_that_does_not_fit_leaves_no_part_of_it(tmp_path: Path, no_room: None) -> None:
    path = tmp_path / "rows.jsonl"
    append_line(path, "1" * 4000)
    with pytest.raises(UserError, match=r"rows\.jsonl: cannot be written"):
        append_line(path, "2" * 200)
    append_line(path, "3" * 20)
    assert path.read_text() == "1" * 4000 + "\n" + "3" * 20 + "\n"


def test_a_journal_entry_that_does_not_fit_leaves_no_part_of_it(tmp_path: Path, no_room: None) -> None:
    journal = Journal(tmp_path / "study.journal")
    journal.append_logs([{"a": "1" * 4000}])
    with pytest.raises(UserError, match=r"study\.journal: cannot be written"):
        journal.append_logs([{"a": "2" * 200}])
    journal.append_logs([{"a": "3"}])
    assert [entry["a"] for entry in Journal(tmp_path / "study.journal").read_logs(0)] == ["1" * 4000, "3"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.journal"]  # its lock is gone


def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (write_text, append_line):
        with pytest.raises(UserError, match=r"a: cannot be written, the disk is full \(No space left on device\)"):
            write(tmp_path / "a", "text")


def test_left_overs_of_the_killed_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / "transfer").mkdir()
    code = f"""
        import os, sys, time
        from pathlib import Path
        from nastk.files import write_text
        wanted = sys.argv[1]
        def stop(handle):
            print("writing", flush=True)
            os.kill(os.getpid(), 9) if wanted == "die" else time.sleep(60)
        os.fsync = stop
        write_text(Path({str(tmp_path / "transfer")!r}) / wanted, "text")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run([*command, "die"], stdout=subprocess.PIPE, check=False)
    with subprocess.Popen([*command, "live"], stdout=subprocess.PIPE, text=True) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == "writing\n"
        assert len(list((tmp_path / "transfer").iterdir())) == 2
        remove_left_over(tmp_path)
        assert [path.name[:6] for path in (tmp_path / "transfer").iterdir()] == [".live."]
        living.kill()
    remove_left_over(tmp_path)
    assert not list((tmp_path / "transfer").iterdir())
