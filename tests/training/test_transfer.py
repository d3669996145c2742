"""The final training: what it writes, that a kill changes nothing, and what it refuses."""

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nastk.config.build import build, load_yaml, shipped
from nastk.data.images import DataSource, Images, ImageSet
from nastk.data.normalisation import statistics
from nastk.data.search_record import image_facts
from nastk.data.sources import Npz
from nastk.data.subsets import hold_out
from nastk.errors import UserError
from nastk.jobs.parts import without_automatic
from nastk.networks import count_parameters
from nastk.networks.stored import load_trained
from nastk.training.batches import in_order
from nastk.training.checkpoint import LAST, PREVIOUS
from nastk.training.job import JOB, LOG
from nastk.training.module import score
from nastk.training.transfer import TransferSettings, train_final, train_rung
from tests.training.small import CONFIG, few_digits, genotype

SETTINGS = TransferSettings(epochs=4, device="cpu", threads=1, batch=32)
NETWORK = dataclasses.replace(CONFIG, auxiliary=True, drop_path=0.3)
FILES = ["genotype.json", "metrics.json", "model.safetensors", "network.json", "training.json"]
CPU = torch.device("cpu")


def lasting(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "seconds"}


def final(folder: Path, data: DataSource, **changes: Any) -> dict[str, Any]:
    progress, run = changes.pop("progress", None), changes.pop("run", None)
    return train_final(genotype(), NETWORK, data, dataclasses.replace(SETTINGS, **changes), folder, progress, run)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return few_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def unbroken(data: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "net"
    final(folder, data)
    return folder


def test_a_finished_folder_holds_the_documented_files_and_nothing_else(unbroken: Path) -> None:
    assert sorted(path.name for path in unbroken.iterdir()) == FILES


def test_the_metrics_are_those_of_the_stored_network_on_the_test_images(unbroken: Path, data: DataSource) -> None:
    metrics = json.loads((unbroken / "metrics.json").read_text())
    network, config, cells, facts = load_trained(unbroken)
    assert (config, cells) == (NETWORK, genotype())
    normalisation = statistics(data.train())
    assert facts["normalisation"] == {"mean": list(normalisation.mean), "std": list(normalisation.std)}
    assert facts["classes"] == list(data.classes)
    assert facts["data"] == {**image_facts(data), "train_images": 200, "test_images": 100}
    accuracy, loss = score(network, in_order(data.test(), normalisation, CPU))
    assert accuracy == metrics["accuracy"]
    assert loss == pytest.approx(metrics["loss"], rel=1e-5)
    assert metrics["params"] == count_parameters(network, auxiliary=False)
    assert (metrics["schema"], metrics["epochs"], metrics["key"]) == (1, 4, genotype().key)
    assert (metrics["train_images"], metrics["test_images"]) == (200, 100)
    assert metrics["seconds"] > 0


def test_a_training_with_class_weights_is_another_and_goes_on_as_itself(data: DataSource, tmp_path: Path) -> None:
    weights = (1.0,) * 9 + (30.0,)
    metrics = final(tmp_path / "net", data, class_weights=weights)
    assert metrics["classes_without_test_images"] == [] and 0 <= metrics["balanced_accuracy"] <= 1
    assert final(tmp_path / "net", data, class_weights=weights) == metrics
    with pytest.raises(UserError, match="holds another training .settings.class_weights is"):
        final(tmp_path / "net", data, class_weights="balanced")


def test_a_finished_folder_returns_its_metrics_without_training(unbroken: Path, data: DataSource) -> None:
    stamps = {path.name: path.stat().st_mtime_ns for path in unbroken.iterdir()}
    epochs: list[int] = []
    metrics = final(unbroken, data, progress=lambda epoch, *_: epochs.append(epoch))
    assert metrics == json.loads((unbroken / "metrics.json").read_text())
    assert epochs == []
    assert {path.name: path.stat().st_mtime_ns for path in unbroken.iterdir()} == stamps


def test_what_a_kill_left_beside_the_metrics_is_removed(unbroken: Path, data: DataSource) -> None:
    for name in (LAST, PREVIOUS, JOB, LOG):
        (unbroken / name).write_bytes(b"of a training that has ended")
    final(unbroken, data)
    assert sorted(path.name for path in unbroken.iterdir()) == FILES


class Stop(Exception):  # noqa: N818
    """Ends a training from inside."""


def stop_after(epoch: int) -> Any:
    def progress(done: int, epochs: int, loss: float) -> None:
        if done == epoch:
            raise Stop

    return progress


def broken(folder: Path, data: DataSource, epoch: int) -> None:
    """Leaves a training that ended after `epoch` epochs."""
    with pytest.raises(Stop):
        final(folder, data, progress=stop_after(epoch))


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = (load_trained(folder).network.state_dict() for folder in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


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
from tests.training.test_transfer import final
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
from tests.training.test_transfer import final
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


def test_held_out_images_are_scored_and_not_trained_on(data: DataSource, unbroken: Path, tmp_path: Path) -> None:
    metrics = final(tmp_path / "net", data, holdout=True)
    train, held = hold_out(data, SETTINGS.seed)
    assert (metrics["train_images"], metrics["validation_images"]) == (len(train), len(held)) == (160, 40)
    network, _, _, facts = load_trained(tmp_path / "net")
    normalisation = statistics(train)
    assert facts["normalisation"]["mean"] == list(normalisation.mean)
    accuracy, loss = score(network, in_order(held, normalisation, CPU))
    assert metrics["validation_accuracy"] == accuracy
    assert metrics["validation_loss"] == pytest.approx(loss, rel=1e-5)
    assert "validation_accuracy" not in json.loads((unbroken / "metrics.json").read_text())
    with pytest.raises(UserError, match="another training"):
        final(unbroken, data, holdout=True)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 5}, "settings.epochs is 4 there and 5 here"),
        ({"seed": 1}, "settings.seed is 0 there and 1 here"),
        ({"cutout": 0.5}, "settings.cutout"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_of_other_settings_is_refused(
    change: dict[str, Any], message: str, finished: bool, data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    folder = unbroken
    if not finished:
        folder = tmp_path / "net"
        broken(folder, data, 1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=f"holds another training .{message}"):
        final(folder, data, **change)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_mistake_before_the_first_epoch_can_be_put_right_in_the_same_folder(data: DataSource, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch"):
        final(tmp_path / "net", data, batch=100_000)
    assert final(tmp_path / "net", data, epochs=1)["epochs"] == 1


def test_a_folder_of_another_genotype_network_or_data_is_refused(
    data: DataSource, unbroken: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="another genotype"):
        train_final(genotype("conv_3x3"), NETWORK, data, SETTINGS, unbroken)
    with pytest.raises(UserError, match="network.filters is 4 there and 8 here"):
        train_final(genotype(), dataclasses.replace(NETWORK, filters=8), data, SETTINGS, unbroken)
    with pytest.raises(UserError, match="other training images"):
        train_final(genotype(), NETWORK, few_digits(tmp_path, train=190), SETTINGS, unbroken)


def test_device_and_threads_may_differ(data: DataSource, unbroken: Path) -> None:
    assert final(unbroken, data, threads=2, device="auto")["epochs"] == 4


def test_a_folder_of_other_files_is_refused(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds thesis\.txt but no training\.json"):
        final(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_network_that_does_not_fit_the_data_is_refused(data: DataSource, tmp_path: Path) -> None:
    for change in ({"classes": 9}, {"channels": 3}, {"size": 16}):
        with pytest.raises(UserError, match=f"network: {next(iter(change))}="):
            train_final(genotype(), dataclasses.replace(NETWORK, **change), data, SETTINGS, tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_a_training_that_diverges_is_said_in_one_line(data: DataSource, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"net: diverged: the training loss is (nan|inf)"):
        final(tmp_path / "net", data, learning_rate=1e30, clip=0.0)
    with pytest.raises(UserError, match=r"net: diverged: the loss of the trained network is (nan|inf)"):
        final(
            tmp_path / "at the last step" / "net", data, learning_rate=1e30, clip=0.0, warmup=0.0, epochs=1, batch=200
        )
    assert not (tmp_path / "at the last step" / "net" / "metrics.json").exists()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        final(tmp_path / "file" / "net", data)


def test_all_training_images_are_trained_on_and_the_test_images_only_scored(tmp_path: Path) -> None:
    data = few_digits(tmp_path)
    seen: list[int] = []

    class Watched(Npz):
        def train(self) -> ImageSet:
            images = data.train()
            seen.append(len(images))
            return images

        def test(self) -> ImageSet:
            images = data.test()
            assert isinstance(images, Images)
            # Labels that say nothing: training on them, or choosing by them, would show in the weights.
            return Images(images.x, images.y.roll(1))

    metrics = final(tmp_path / "watched", Watched(str(tmp_path / "digits.npz")))
    expected = final(tmp_path / "plain", data)
    assert seen == [200]
    assert same_weights(tmp_path / "watched", tmp_path / "plain")
    assert metrics["accuracy"] < expected["accuracy"]


def test_the_average_is_what_is_kept(data: DataSource, unbroken: Path, tmp_path: Path) -> None:
    final(tmp_path / "net", data, average=0.0)
    assert not same_weights(unbroken, tmp_path / "net")


def test_averaged_statistics_of_batch_norm_are_averaged_with_the_weights(unbroken: Path) -> None:
    norms = [part for part in load_trained(unbroken).network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert all(not torch.equal(norm.running_var, torch.ones_like(norm.running_var)) for norm in norms if norm.affine)


@pytest.mark.parametrize(("field", "value"), [("average", 1.5), ("seed", -1), ("threads", 0), ("crop", 3.0)])
def test_an_impossible_setting_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}="):
        TransferSettings(**{field: value})


@pytest.mark.parametrize("name", ["fast", "nasnet_cifar"])
def test_the_shipped_recipes_are_settings(name: str) -> None:
    node, _ = without_automatic(load_yaml(shipped("conf") / "training" / f"{name}.yaml"))
    made = build(node, "training", seed=3)
    assert isinstance(made, TransferSettings)
    assert made.seed == 3


def test_the_papers_recipe_is_the_papers() -> None:
    made = build(load_yaml(shipped("conf") / "training" / "nasnet_cifar.yaml"), "training")
    assert (made.epochs, made.batch, made.learning_rate, made.weight_decay) == (600, 32, 0.025, 5e-4)
    assert (made.clip, made.auxiliary, made.decay) == (5.0, 0.4, "cosine")
    assert made.augmentation(0.0, True).pixels(32) == (4, 16)


def test_the_seconds_of_all_sittings_are_counted(data: DataSource, tmp_path: Path) -> None:
    folder = tmp_path / "net"

    def slow(done: int, epochs: int, loss: float) -> None:
        time.sleep(0.2)
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        final(folder, data, progress=slow)
    assert final(folder, data)["seconds"] > 0.6


def test_a_known_score_counts_only_for_the_training_that_it_is_of(data: DataSource, tmp_path: Path) -> None:
    folder, settings = tmp_path / "net", dataclasses.replace(SETTINGS, holdout=True)
    scored = train_rung(genotype(), NETWORK, data, settings, folder, 1)
    assert train_rung(genotype(), NETWORK, data, settings, folder, 1) == scored
    other = dataclasses.replace(settings, optimizer="muon")
    with pytest.raises(UserError, match="holds another training.*training.optimizer=sgd"):
        train_rung(genotype(), NETWORK, data, other, folder, 1)
