"""A disk that fills up: one line that names the file and says so, nothing lost, and the same command goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import Server, half_written, rows
from tests.faults.conftest import begun
from tests.faults.test_kill_anywhere import check_end

PAGE = 4096
FULL = re.compile(r"nastk: (\S+): cannot be written, the disk is full \(No space left on device\); [^\n]+\n\Z")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here; tests/test_files.py limits the size of files instead")
    yield place
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


@pytest.mark.parametrize(
    ("entry", "pages", "file"),
    [
        ("search", 1, "config.yaml|data.json"),
        ("search", 5, "study.journal|trials.jsonl|trials.csv"),
        ("transfer", 6, "last.ckpt"),
        ("export", 6, "export/.*"),
    ],
    ids=["search", "study", "transfer", "export"],
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_when_there_is_room(
    server: Server, unbroken: Path, disk: Path, entry: str, pages: int, file: str
) -> None:
    hurt = begun(entry, unbroken, disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - pages * PAGE))
    ended = server.run(hurt)
    assert ended.code == 2, ended.said
    said = FULL.search(ended.said)
    assert said is not None, ended.said
    assert "Traceback" not in ended.said
    assert re.search(file, said.group(1)), said.group(1)
    assert not list(half_written(hurt.run))
    if entry == "search" and (hurt.run / "trials.jsonl").exists():
        found = rows(hurt.run)
        assert found == rows(unbroken / "search")[: len(found)]
    ballast.unlink()
    check_end(server, unbroken, hurt.run, entry)
