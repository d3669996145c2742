"""Killed with -9 at any moment, before any write: the same command goes on, and ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.export.renewal import card_note
from nastk.deploy.manifest import load_manifest
from tests.faults.commands import Server, exported, half_written, left_over, rows, trained
from tests.faults.conftest import begun, command

RESULT: dict[str, Callable[[Path], Any]] = {"search": rows, "transfer": trained, "export": exported}
STEPS = tuple(RESULT)


@pytest.mark.parametrize(("entry", "seed"), [("search", 1), ("transfer", 2), ("export", 3)])
def test_a_command_killed_at_random_moments_ends_like_an_unbroken_one(
    server: Server, unbroken: Path, tmp_path: Path, entry: str, seed: int
) -> None:
    kill_so_often(server, unbroken, tmp_path, entry, random.Random(seed), 1)


@pytest.mark.slow
@pytest.mark.parametrize(("entry", "kills"), [("search", 20), ("transfer", 15), ("export", 15)])
def test_fifty_random_kills(server: Server, unbroken: Path, tmp_path: Path, entry: str, kills: int) -> None:
    kill_so_often(server, unbroken, tmp_path, entry, random.Random(kills), kills)


def kill_so_often(server: Server, unbroken: Path, folder: Path, entry: str, moments: random.Random, kills: int) -> None:
    """Kills a command `kills` times, in as many run folders as it takes, and checks what becomes of each."""
    killed, number = 0, 0
    while killed < kills:
        number += 1
        killed += kill_at_random(server, unbroken, folder / str(number), entry, moments, kills - killed)


def kill_at_random(server: Server, unbroken: Path, folder: Path, entry: str, moments: random.Random, kills: int) -> int:
    """Kills a command up to `kills` times, lets it end and checks what it did; returns how often it was killed."""
    folder.mkdir()
    hurt = begun(entry, unbroken, folder)
    seconds = float((unbroken / f"{entry}.seconds").read_text())
    killed = 0
    while killed < kills:
        started = server.start(hurt)
        started.wait_for(hurt.run / ".held")
        time.sleep(moments.uniform(0.0, seconds))
        started.signal(signal.SIGKILL)
        ended = started.end()
        assert ended.code in (0, -signal.SIGKILL), ended.said
        assert not list(half_written(hurt.run))
        if ended.code == 0:
            break
        killed += 1
    check_end(server, unbroken, hurt.run, entry)
    return killed


def check_end(server: Server, unbroken: Path, run: Path, entry: str) -> None:
    """Lets a hurt command end, and holds its folder to the unbroken one's."""
    ended = server.run(command(entry, run))
    assert ended.code == 0, ended.said
    assert RESULT[entry](run) == RESULT[entry](unbroken / entry)
    assert RESULT[entry](run)
    assert not list(half_written(run))
    assert not left_over(run)


SOME = {"search": (118,), "transfer": (30,), "export": (27,)}


@pytest.mark.parametrize(("entry", "steps"), SOME.items(), ids=STEPS)
def test_a_command_that_dies_before_a_write_goes_on(
    server: Server, unbroken: Path, tmp_path: Path, entry: str, steps: tuple[int, ...]
) -> None:
    for step in steps:
        assert die_before(server, unbroken, tmp_path / str(step), entry, step, cut=step % 2 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("entry", STEPS)
def test_a_command_that_dies_before_each_of_its_writes_goes_on(
    server: Server, unbroken: Path, tmp_path: Path, entry: str, cut: bool
) -> None:
    number = 1
    while die_before(server, unbroken, tmp_path / str(number), entry, number, cut):
        shutil.rmtree(tmp_path / str(number))
        number += 1
    assert number > 30


def die_before(server: Server, unbroken: Path, folder: Path, entry: str, step: int, cut: bool) -> bool:
    """Lets a command die before a step, go on and end; returns False where it has fewer steps."""
    folder.mkdir(exist_ok=True)
    hurt = begun(entry, unbroken, folder)
    ended = server.run(hurt, kill_at=step, cut=cut)
    assert ended.code in (0, -signal.SIGKILL), ended.said
    assert cut or not list(half_written(hurt.run))
    check_end(server, unbroken, hurt.run, entry)
    return ended.code != 0


def test_an_export_that_replaces_another_leaves_the_old_one_or_the_new(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    shutil.copytree(unbroken / "export", tmp_path / "whole")
    again = command("export", tmp_path / "whole")
    words = (*again.words, "export.calibration=17")
    whole = server.run(type(again)("export", again.run, words))
    assert whole.code == 0, whole.said
    for step in range(whole.steps - 3, whole.steps):  # the manifest's end, the exchange, the old one's removal
        folder = tmp_path / str(step)
        shutil.copytree(unbroken / "export", folder)
        hurt = type(again)("export", folder, words)
        assert server.run(hurt, kill_at=step).code in (0, -signal.SIGKILL)
        assert exported(folder) in (exported(unbroken / "export"), exported(again.run)), step
    ended = server.run(hurt)
    assert ended.code == 0, ended.said
    assert exported(folder) == exported(again.run)
    assert not left_over(folder)


def test_an_export_that_is_timed_again_and_dies_has_manifest_and_card_of_one_timing(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    shutil.copytree(unbroken / "export", tmp_path / "whole")
    again = command("export", tmp_path / "whole")
    steps = server.run(again).steps
    for step in range(max(1, steps - 4), steps + 1):  # the manifest, the card, the exchange, the old one's removal
        folder = tmp_path / str(step)
        shutil.copytree(unbroken / "export", folder)
        ended = server.run(type(again)("export", folder, again.words), kill_at=step)
        assert ended.code in (0, -signal.SIGKILL)
        for export in folder.glob("export/[!.]*"):
            assert card_note(export, load_manifest(export)) is None, step
        assert exported(folder) == exported(unbroken / "export")
