"""Killed when all is trained and nothing of it written: the same command goes on from the last epoch's checkpoint."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from nastk.runs.audit import AUDIT
from nastk.training.checkpoint import LAST
from tests.faults.commands import Command, Server, exported, half_written, left_over, trained
from tests.faults.conftest import EXPORT, begun

EPOCHS = 2
QAT = (f"export.qat.epochs={EPOCHS}", "export.qat.threads=1")
CELLS = ("cells=3", "epochs=2")
WRITE = 4  # steps that writing a file takes: made, synced, renamed, and the folder synced


def test_a_transfer_that_dies_before_its_weights_are_written_goes_on(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    hurt = begun("transfer", unbroken, tmp_path)
    kill_and_go_on(server, hurt, "model.safetensors", "transfer/*")
    assert trained(hurt.run) == trained(unbroken / "transfer")
    assert not left_over(hurt.run)


@pytest.mark.parametrize("name", ["model.safetensors", pytest.param("network.json", marks=pytest.mark.slow)])
def test_a_fine_tuning_for_int8_that_dies_before_its_files_are_written_goes_on(
    server: Server, unbroken: Path, tuned: Path, tmp_path: Path, name: str
) -> None:
    hurt = Command("export", begun("export", unbroken, tmp_path).run, (*EXPORT, *QAT))
    kill_and_go_on(server, hurt, name, "transfer/*/qat")
    assert exported(hurt.run) == exported(tuned)
    found, expected = (next(run.glob("transfer/*/qat")) for run in (hurt.run, tuned))
    assert contents(found) == contents(expected)
    assert not left_over(hurt.run)


def test_an_audit_that_dies_before_its_conclusion_is_written_goes_on(
    server: Server, unbroken: Path, tmp_path: Path
) -> None:
    whole, hurt = (Command("audit", tmp_path / name, CELLS) for name in ("whole", "hurt"))
    for command in (whole, hurt):
        shutil.copytree(unbroken / "search", command.run)
    ended = server.run(whole)
    assert ended.code == 0, ended.said
    assert server.run(hurt, kill_at=ended.steps - WRITE + 1).code == -signal.SIGKILL
    assert not audited(hurt.run)["finished"]
    ended = server.run(hurt)
    assert ended.code == 0, ended.said
    assert audited(hurt.run) == audited(whole.run)


@pytest.fixture(scope="module")
def tuned(server: Server, unbroken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an export that fine-tuned for int8, unbroken."""
    hurt = begun("export", unbroken, tmp_path_factory.mktemp("tuned"))
    ended = server.run(Command("export", hurt.run, (*EXPORT, *QAT)))
    assert ended.code == 0, ended.said
    return hurt.run


def kill_and_go_on(server: Server, hurt: Command, name: str, folder: str) -> None:
    """Kills a command before it writes a file, where the last epoch's checkpoint is there, and lets it end."""
    assert server.run(hurt, kill_before=name).code == -signal.SIGKILL
    (place,) = hurt.run.glob(folder)
    assert not (place / name).exists()
    assert torch.load(place / LAST, weights_only=True)["epoch"] == EPOCHS - 1
    assert not list(half_written(hurt.run))
    ended = server.run(hurt)
    assert ended.code == 0, ended.said


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def audited(run: Path) -> dict[str, Any]:
    """Returns the audit, without what is measured."""
    found: dict[str, Any] = json.loads((run / AUDIT).read_text())
    for cell in found["cells"]:
        for training in (*cell["longer"], *cell["again"]):
            del training["seconds"]
    return found
