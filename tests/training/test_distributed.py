"""Transfer in several processes, on the CPU: they are one training, a kill changes nothing, and none is left behind."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nastk.data.images import DataSource, Images
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.networks.stored import load_trained
from nastk.training import transfer
from nastk.training.batches import in_order
from nastk.training.checkpoint import LAST, find_checkpoint
from nastk.training.failure import TrainingFailed
from nastk.training.job import JOB, LOG, Job, read_job, write_job
from nastk.training.launcher import judge
from nastk.training.module import score
from nastk.training.share import Share
from nastk.training.transfer import RunSettings, TransferSettings, train_final
from tests.training.one_step import trained
from tests.training.small import CONFIG, few_digits, genotype

CPU = torch.device("cpu")
NETWORK = dataclasses.replace(CONFIG, auxiliary=True, drop_path=0.3)
SETTINGS = TransferSettings(epochs=3, device="cpu", threads=1, batch=4, learning_rate=0.01, holdout=True)
STEPS = 40  # an epoch's, of the 160 images that are not held out
RUN = RunSettings(devices=2, strategy="ddp", checkpoint_minutes=1e-9)
SECONDS = 600  # to wait for what takes a second on a machine at rest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return few_digits(tmp_path_factory.mktemp("data"), test=101)


def final(folder: Path, data: DataSource, progress: Callable[[int, int, float], None] | None = None) -> dict[str, Any]:
    return train_final(genotype(), NETWORK, data, SETTINGS, folder, progress, RUN)


@pytest.fixture(scope="module")
def unbroken(data: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "net"
    epochs: list[int] = []
    final(folder, data, lambda epoch, *_: epochs.append(epoch))
    assert epochs == [1, 2, 3]
    return folder


def test_several_processes_train_as_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*command, "-m", "tests.training.one_step", str(tmp_path)], check=True, capture_output=True)
    alone = trained(Share(), sync=False, average=0.5)

    def differ(one: dict[str, Any], other: dict[str, Any]) -> float:
        return max(float((one[name].double() - other[name].double()).abs().max()) for name in alone)

    found = {path.stem: torch.load(path, weights_only=True) for path in tmp_path.iterdir()}
    assert differ(found["sync-0"], alone) < 1e-12
    assert differ(found["plain-0"], alone) > 1e-3  # each takes its own statistics
    for kind in ("sync", "plain"):
        assert differ(found[f"{kind}-0"], found[f"{kind}-1"]) == 0.0


def test_every_test_image_and_every_image_held_out_counts_once(unbroken: Path, data: DataSource) -> None:
    metrics = json.loads((unbroken / "metrics.json").read_text())
    network, _, _, facts = load_trained(unbroken)
    normalisation = Normalisation(*(tuple(facts["normalisation"][name]) for name in ("mean", "std")))
    accuracy, loss = score(network, in_order(data.test(), normalisation, CPU))
    assert (metrics["test_images"], metrics["validation_images"], metrics["train_images"]) == (101, 40, 160)
    assert metrics["accuracy"] == accuracy
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert (metrics["validation_accuracy"] * 40) % 1 == pytest.approx(0, abs=1e-9)


def test_another_number_of_devices_is_another_training(unbroken: Path, data: DataSource) -> None:
    with pytest.raises(UserError, match=r"run\.devices is 2 there and 1 here"):
        train_final(genotype(), NETWORK, data, SETTINGS, unbroken)


@pytest.mark.parametrize("caller", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one", "one_and_caller"])
def test_killed_processes_end_all_and_the_same_call_goes_on_to_the_same_numbers(
    unbroken: Path, data: DataSource, tmp_path: Path, caller: bool
) -> None:
    folder = tmp_path / "net"

    def kill_one(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 1:
            stopped_within_an_epoch(folder)
            os.kill(ranks(folder)[1], signal.SIGKILL)
            os.kill(ranks(folder)[0], signal.SIGCONT)

    with pytest.raises(UserError, match=r"of 2 was ended by SIGKILL .* goes on from the last checkpoint"):
        final(folder, data, kill_one)
    assert gone(folder)
    if caller:
        with started(folder, data) as parent:
            stopped_within_an_epoch(folder)
            parent.kill()
        for rank in ranks(folder):
            os.kill(rank, signal.SIGCONT)
        assert gone(folder)
    found = find_checkpoint(folder)
    assert found is not None
    assert torch.load(found[0], weights_only=True)["global_step"] % STEPS
    metrics = final(folder, data)
    expected = json.loads((unbroken / "metrics.json").read_text())
    assert {**metrics, "seconds": 0} == {**expected, "seconds": 0}
    assert (folder / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in unbroken.iterdir())
    assert not {JOB, LOG, LAST} & {path.name for path in folder.iterdir()}


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_processes_that_were_killed_before_they_wrote_what_they_trained_go_on(
    unbroken: Path, data: DataSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Path) -> None:
        raise Killed

    folder = tmp_path / "net"
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "remove_checkpoints", killed)
        with pytest.raises(Killed):
            final(folder, data)
    assert torch.load(folder / LAST, weights_only=True)["global_step"] == SETTINGS.epochs * STEPS
    for name in ("model.safetensors", "genotype.json", "network.json", "metrics.json"):
        (folder / name).unlink()
    metrics = final(folder, data)
    expected = json.loads((unbroken / "metrics.json").read_text())
    assert {**metrics, "seconds": 0} == {**expected, "seconds": 0}
    assert (folder / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in unbroken.iterdir())


SCRIPT = """
import sys
from pathlib import Path
from nastk.data.sources import Npz
from tests.training.test_distributed import final
final(Path(sys.argv[1]), Npz(sys.argv[2]))
"""


def started(folder: Path, data: DataSource) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(data.root)])  # type: ignore[attr-defined]


def ranks(folder: Path) -> list[int]:
    """Returns the processes that train in `folder`."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if f"nastk.training.rank {folder}" in line]


def gone(folder: Path) -> bool:
    """Waits until nothing trains in `folder` any more."""
    end = time.monotonic() + SECONDS
    while ranks(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not ranks(folder)


def stopped_within_an_epoch(folder: Path) -> None:
    """Waits for a new checkpoint; stops the processes at a moment when the last one is from within an epoch."""
    end = time.monotonic() + SECONDS
    before = find_checkpoint(folder)
    stamp = before[0].stat().st_mtime_ns if before else 0
    while time.monotonic() < end and not ((folder / LAST).exists() and (folder / LAST).stat().st_mtime_ns > stamp):
        time.sleep(0.01)
    pids = ranks(folder)
    assert len(pids) == 2
    while time.monotonic() < end:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        found = find_checkpoint(folder)
        if found and torch.load(found[0], weights_only=True)["global_step"] % STEPS:
            return
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.002)
    pytest.fail("no checkpoint within an epoch")


@pytest.mark.slow
def test_a_training_that_diverges_in_several_processes_is_said_in_one_line(data: DataSource, tmp_path: Path) -> None:
    wild = dataclasses.replace(SETTINGS, learning_rate=1e30, clip=0.0)
    with pytest.raises(UserError, match=r"net: diverged: the training loss is (nan|inf)"):
        train_final(genotype(), NETWORK, data, wild, tmp_path / "net", None, RUN)
    assert gone(tmp_path / "net")


def test_how_the_processes_ended_is_understood(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("Traceback: a bug")
    judge(tmp_path, 2, 0, [{"rank": 0, "weights": "a"}, {"rank": 1, "weights": "a"}])
    with pytest.raises(RuntimeError, match="2 different networks"):
        judge(tmp_path, 2, 0, [{"rank": 0, "weights": "a"}, {"rank": 1, "weights": "b"}])
    with pytest.raises(UserError, match="diverged"):
        judge(tmp_path, 2, 1, [{"error": "diverged"}, {"exit": {"0": 2}}])
    with pytest.raises(TrainingFailed, match=f"transfer {tmp_path}: diverged$"):
        judge(tmp_path, 2, 1, [{"error": "transfer there: diverged", "reason": "diverged"}, {"exit": {"0": 2}}])
    with pytest.raises(RuntimeError, match="a bug"):
        judge(tmp_path, 2, 1, [{"exit": {"0": 1}}])


LOST = {"rank": 0, "lost": "[gloo/transport/tcp/pair.cc:547] Connection closed by peer"}
BUG = {"rank": 1, "failed": "ValueError: the real reason"}


@pytest.mark.parametrize(
    ("ended", "kind", "match"),
    [
        ([{"exit": {"0": -15, "1": 1}}], RuntimeError, "a bug"),
        ([{"exit": {"0": 1, "1": -15}}], RuntimeError, "a bug"),
        ([LOST, {"exit": {"0": 1, "1": -15}}], UserError, "process 1 of 2 was ended by SIGTERM"),
        ([LOST, {"exit": {"0": 1, "1": -9}}], UserError, r"process 1 of 2 was ended by SIGKILL \(by hand"),
        ([{"exit": {"0": -15, "1": -11}}], UserError, r"process 1 of 2 was ended by SIGSEGV \(a crash in native code"),
        ([{"exit": {"0": -15, "1": -15}}], UserError, "was ended by SIGTERM"),
        ([LOST, BUG, {"exit": {"0": 1, "1": 1}}], RuntimeError, r"process 1 of 2 failed:\nValueError: the real"),
        ([BUG, {"exit": {"0": -9, "1": 1}}], RuntimeError, r"process 1 of 2 failed"),
    ],
)
def test_the_process_that_failed_by_itself_is_reported_and_not_those_that_were_told_to_stop(
    tmp_path: Path, ended: list[dict[str, Any]], kind: type[Exception], match: str
) -> None:
    (tmp_path / LOG).write_text("Traceback: a bug")
    with pytest.raises(kind, match=match):
        judge(tmp_path, 2, 1, ended)


@pytest.mark.slow
def test_the_traceback_of_the_process_that_failed_is_shown_and_not_of_those_that_lost_it(
    data: DataSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One image a device with a head that leaves one pixel, which is otherwise refused beforehand."""
    monkeypatch.setattr(RunSettings, "check", lambda *_: None)
    alone = dataclasses.replace(SETTINGS, batch=2)
    with pytest.raises(RuntimeError, match=r"process \d of 2 failed:(.|\n)*Expected more than 1 value per channel"):
        train_final(genotype(), NETWORK, data, alone, tmp_path / "net", None, RUN)


def test_a_job_is_read_as_it_was_written(data: DataSource, tmp_path: Path) -> None:
    job = Job(genotype(), NETWORK, data, SETTINGS, RUN)
    write_job(tmp_path, job)
    assert read_job(tmp_path) == job
    (tmp_path / JOB).write_text("{}")
    with pytest.raises(UserError, match=r"job\.json: expected an object with schema 1"):
        read_job(tmp_path)


def test_a_data_source_of_another_kind_cannot_be_handed_on(tmp_path: Path) -> None:
    class Other:
        def train(self) -> Images: ...

    with pytest.raises(UserError, match="data Other: cannot be handed"):
        write_job(tmp_path, Job(genotype(), NETWORK, Other(), SETTINGS, RUN))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"devices": 0}, "devices=0, expected a whole number"),
        ({"strategy": "ddpp"}, "unknown strategy 'ddpp'; nearest is 'ddp'"),
        ({"sync_batchnorm": 1}, "sync_batchnorm=1, expected true or false"),
        ({"checkpoint_minutes": -1.0}, "checkpoint_minutes=-1.0, expected a number"),
    ],
)
def test_an_impossible_setting_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        RunSettings(**changes)


def test_what_the_devices_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="batch=33, expected a multiple of devices=2"):
        RunSettings(devices=2).check("cpu", 33)
    RunSettings(devices=1, strategy="ddp").check("cpu", 33)
    with pytest.raises(UserError, match="batch=3, expected at least 6 with devices=3: .* sync_batchnorm=true"):
        RunSettings(devices=3).check("cpu", 3)
    RunSettings(devices=3, sync_batchnorm=True).check("cpu", 3)
    RunSettings(devices=3).check("cpu", 6)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    RunSettings(devices=2).check("auto", 64)
    with pytest.raises(UserError, match="devices=4, expected at most 2: so many GPUs there are"):
        RunSettings(devices=4).check("auto", 64)
    with pytest.raises(UserError, match="device='cuda:1', expected auto, cuda or cpu where devices=2"):
        RunSettings(devices=2).check("cuda:1", 64)


def test_one_process_is_several_where_asked() -> None:
    assert [RunSettings().ddp, RunSettings(devices=2).ddp, RunSettings(strategy="ddp").ddp] == [False, True, True]


def test_the_parts_of_the_processes_are_the_batch() -> None:
    batches = torch.arange(24).view(3, 8)
    parts = [Share(rank, 4).part_of_each(batches).view(3, 2) for rank in range(4)]
    assert torch.equal(torch.cat(parts, dim=1), batches)
