"""Training a head over a backbone: it learns, goes on after a kill, keeps the best weights, ships what it trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from nastk.dense.best import BEST, BestWeights
from nastk.dense.job import DenseJob
from nastk.dense.model_export import export_dense
from nastk.dense.segmentation import MeanIou, Segmentation
from nastk.dense.settings import DenseSettings
from nastk.dense.task import DenseImages
from nastk.dense.train import METRICS, train_dense, trained_network
from nastk.deploy.runtimes.session import open_session
from nastk.errors import UserError
from tests.dense.small import SIDE, small_set, tiny_backbone

SETTINGS = DenseSettings(epochs=10, batch=8, learning_rate=0.01, device="cpu", threads=1)


def job(settings: DenseSettings = SETTINGS) -> DenseJob:
    return DenseJob(tiny_backbone(), Segmentation(), small_set(), settings)


def constant(images: DenseImages, classes: int) -> float:
    """Returns the mean IoU of whoever says background of every pixel."""
    metric = MeanIou(classes)
    metric.update(
        torch.eye(classes)[0].view(1, classes, 1, 1).expand(len(images.targets), -1, SIDE, SIDE), images.targets
    )
    return metric.compute()["miou"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("dense") / "unbroken"
    return folder, train_dense(job(), folder)


def without_seconds(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "seconds"}


def test_it_learns_far_more_than_to_say_background(trained: tuple[Path, dict[str, Any]]) -> None:
    guess = constant(small_set().split("test"), 3)
    assert 0.2 < guess < 0.35
    assert trained[1]["miou"] > guess + 0.25
    assert trained[1]["validation_miou"] > guess + 0.25


def test_a_training_that_was_stopped_ends_as_an_unbroken_one(
    tmp_path: Path, trained: tuple[Path, dict[str, Any]]
) -> None:
    def stop(epoch: int, *_: float) -> None:
        if epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dense(job(), tmp_path / "run", stop)
    assert (tmp_path / "run" / BEST).exists()
    epochs: list[int] = []
    metrics = train_dense(job(), tmp_path / "run", lambda epoch, *_: epochs.append(epoch))
    assert epochs == [5, 6, 7, 8, 9, 10]
    assert without_seconds(metrics) == without_seconds(trained[1])
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [METRICS, "model.safetensors", "training.json"]


def test_the_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    scores: list[float] = []
    short = replace(SETTINGS, epochs=4, learning_rate=0.03, average=0.0)
    metrics = train_dense(job(short), tmp_path / "run", lambda *shown: scores.append(shown[3]))
    assert metrics["best_epoch"] == 1 + scores.index(max(scores))
    assert metrics["validation_miou"] == max(scores)


def test_equal_scores_keep_the_first_and_a_better_one_is_kept(tmp_path: Path) -> None:
    best, network = BestWeights(tmp_path), torch.nn.Linear(1, 1)
    for epoch, score in enumerate((0.5, 0.5, 0.7, 0.6), start=1):
        torch.nn.init.constant_(network.weight, epoch)
        best.offer(epoch, score, network)
    again = BestWeights(tmp_path)
    again.load_into(network)
    assert (again.epoch, again.score, network.weight.item()) == (3, 0.7, 3.0)


def test_a_finished_training_is_not_repeated_and_another_is_refused(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, metrics = trained
    assert train_dense(job(), folder, lambda *_: pytest.fail("trained again")) == metrics
    with pytest.raises(UserError, match=r"holds another training \(settings.epochs is 10 there and 11 here\)"):
        train_dense(job(replace(SETTINGS, epochs=11)), folder)


def test_the_exported_file_says_what_torch_says(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, metrics = trained
    parity = export_dense(job(), folder)
    assert parity["mask_logits"]["max_difference"] < 1e-3
    facts = json.loads((folder / "model.json").read_text())
    how = facts["preprocessing"]
    split = small_set().split("test")
    pixels = split.images.numpy().transpose(0, 3, 1, 2).astype(np.float32) / 255
    mean, std = (np.float32(how[name])[:, None, None] for name in ("mean", "std"))
    session = open_session((folder / "model.onnx").read_bytes())
    (found,) = session.run(facts["outputs"], {"image": (pixels - mean) / std})
    metric = MeanIou(3)
    metric.update(torch.from_numpy(found), split.targets)
    assert metric.compute()["miou"] == pytest.approx(metrics["miou"], abs=1e-3)
    (output,) = onnx.load(folder / "model.onnx").graph.output
    shape = [part.dim_param or part.dim_value for part in output.type.tensor_type.shape.dim]
    assert shape == ["batch", 3, SIDE, SIDE]


def test_damaged_weights_are_named(tmp_path: Path, trained: tuple[Path, dict[str, Any]]) -> None:
    whole = (trained[0] / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"model\.safetensors: not a safetensors file, or cut short"):
        trained_network(job(), tmp_path)
    (tmp_path / BEST).write_bytes(whole)
    with pytest.raises(UserError, match=r"best\.safetensors: does not say its score"):
        BestWeights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(whole)
    other = replace(job(), backbone=replace(tiny_backbone(), config=replace(tiny_backbone().config, channels=1)))
    with pytest.raises(UserError, match=r"model\.safetensors: backbone\.network\.\S+ is not that of this network"):
        trained_network(other, tmp_path)


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="segmentation .*: diverged"):
        train_dense(job(replace(SETTINGS, optimizer="sgd", learning_rate=1e12, clip=0.0, warmup=0.0)), tmp_path / "run")
