"""A final training that is stopped or killed goes on to the same numbers."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nastk.data.images import DataSource
from nastk.training.checkpoint import LAST, PREVIOUS
from nastk.training.job import JOB, LOG
from tests.training.final import FILES, Stop, broken, final, lasting, same_weights


def test_what_a_kill_left_beside_the_metrics_is_removed(unbroken: Path, data: DataSource) -> None:
    for name in (LAST, PREVIOUS, JOB, LOG):
        (unbroken / name).write_bytes(b"of a training that has ended")
    final(unbroken, data)
    assert sorted(path.name for path in unbroken.iterdir()) == FILES


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_training_that_was_stopped_ends_with_the_same_numbers(
    epoch: int, data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    broken(folder, data, epoch)
    torch.rand(5)
    seen: list[int] = []
    metrics = final(folder, data, progress=lambda done, *_: seen.append(done))
    assert seen == list(range(epoch + 1, 5))
    assert lasting(metrics) == lasting(json.loads((unbroken / "metrics.json").read_text()))
    assert same_weights(folder, unbroken)


SCRIPT = """
import sys, time
from pathlib import Path
from nastk.data.sources import Npz
from tests.training.final import final
def progress(epoch, epochs, loss):
    print(epoch, flush=True)
    time.sleep(float(sys.argv[3]))
final(Path(sys.argv[1]), Npz(sys.argv[2]), progress=progress)
"""


# Trains once for each step, each time in a process of its own that has everything imported already, killed at the step.
KILLED = """
import os, signal, sys
from pathlib import Path
from nastk.training.checkpoint import Checkpoints
from nastk.data.sources import Npz
from nastk.training.transfer import RunSettings
from tests.training.final import final
write = Checkpoints.write
def write_and_die(self, trainer):
    write(self, trainer)
    if trainer.global_step == step:
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoints.write = write_and_die
for step in map(int, sys.argv[3:]):
    child = os.fork()
    if child == 0:
        final(Path(sys.argv[1]) / str(step), Npz(sys.argv[2]), run=RunSettings(checkpoint_minutes=1e-9))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""
STEPS = (3, 13)  # of 6 an epoch: within the first, and after the third's first


@pytest.fixture(scope="module")
def killed(data: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has for each of `STEPS` the folder of a training that was killed then."""
    place = tmp_path_factory.mktemp("killed")
    arguments = [sys.executable, "-c", KILLED, str(place), str(data.root), *map(str, STEPS)]  # type: ignore[attr-defined]
    subprocess.run(arguments, check=True)
    return place


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_within_an_epoch_ends_with_the_same_numbers(
    step: int, killed: Path, data: DataSource, unbroken: Path
) -> None:
    folder = killed / str(step)
    assert torch.load(folder / LAST, weights_only=True)["global_step"] == step
    seen: list[int] = []
    metrics = final(folder, data, progress=lambda done, *_: seen.append(done))
    assert seen == list(range(step // 6 + 1, 5))
    assert lasting(metrics) == lasting(json.loads((unbroken / "metrics.json").read_text()))
    assert (folder / "model.safetensors").read_bytes() == (unbroken / "model.safetensors").read_bytes()


def test_no_checkpoint_is_written_within_an_epoch_before_its_time(data: DataSource, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    broken(folder, data, 2)
    assert torch.load(folder / LAST, weights_only=True)["global_step"] == 12
    assert torch.load(folder / PREVIOUS, weights_only=True)["global_step"] == 6


def start(folder: Path, data: DataSource, pause: float) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", SCRIPT, str(folder), str(data.root), str(pause)]  # type: ignore[attr-defined]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow  # killed at any moment; the two above are at a given one
def test_a_process_killed_with_9_ends_with_the_same_numbers(data: DataSource, unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    process = start(folder, data, pause=0.3)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "3":
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (folder / LAST).exists()
    assert not (folder / "metrics.json").exists()
    again = start(folder, data, pause=0.0)
    output, _ = again.communicate()
    assert again.returncode == 0
    assert output.split() in (["3", "4"], ["4"])
    found, expected = (json.loads((place / "metrics.json").read_text()) for place in (folder, unbroken))
    assert lasting(found) == lasting(expected)
    assert same_weights(folder, unbroken)
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_a_kill_before_the_first_checkpoint_begins_again(data: DataSource, unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    broken(folder, data, 1)
    (folder / LAST).rename(folder / ".writing.ckpt")
    metrics = final(folder, data)
    assert lasting(metrics) == lasting(json.loads((unbroken / "metrics.json").read_text()))
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_checkpoints_are_readable_without_pickle(data: DataSource, tmp_path: Path) -> None:
    broken(tmp_path / "net", data, 2)
    for name in (LAST, PREVIOUS):
        stored = torch.load(tmp_path / "net" / name, weights_only=True)
        assert stored["nastk"]["seconds"] > 0
        assert "optimizer_states" in stored


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_a_cut_short_checkpoint_falls_back_to_the_one_before(
    keep: float, data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    broken(folder, data, 2)
    content = (folder / LAST).read_bytes()
    (folder / LAST).write_bytes(content[: int(keep * len(content)) if keep == 0.5 else int(keep)])
    seen: list[int] = []
    with pytest.warns(UserWarning, match=r"last\.ckpt: cut short or damaged; .* goes on from the one before it"):
        metrics = final(folder, data, progress=lambda done, *_: seen.append(done))
    assert seen == [2, 3, 4]
    assert lasting(metrics) == lasting(json.loads((unbroken / "metrics.json").read_text()))


def test_without_any_whole_checkpoint_it_begins_again(data: DataSource, unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    broken(folder, data, 2)
    content = bytearray((folder / LAST).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / LAST).write_bytes(content)
    (folder / PREVIOUS).write_text("no checkpoint")
    seen: list[int] = []
    with pytest.warns(UserWarning, match="goes on from the beginning"):
        metrics = final(folder, data, progress=lambda done, *_: seen.append(done))
    assert seen == [1, 2, 3, 4]
    assert lasting(metrics) == lasting(json.loads((unbroken / "metrics.json").read_text()))


def test_the_seconds_of_all_sittings_are_counted(data: DataSource, tmp_path: Path) -> None:
    folder = tmp_path / "net"

    def slow(done: int, epochs: int, loss: float) -> None:
        time.sleep(0.2)
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        final(folder, data, progress=slow)
    assert final(folder, data)["seconds"] > 0.6
