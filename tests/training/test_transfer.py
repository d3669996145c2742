"""The final training: what it writes, what it trains on and what it scores."""

import json
from pathlib import Path

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
from nastk.networks import build_network, count_parameters
from nastk.networks.stored import load_trained
from nastk.training.batches import in_order
from nastk.training.job import Job
from nastk.training.module import score
from nastk.training.outcome import score_on_the_way, score_share
from nastk.training.run_settings import RunSettings
from nastk.training.share import Share
from nastk.training.transfer import TransferSettings
from nastk.training.transfer_parts import TransferParts
from tests.training.final import CPU, FILES, NETWORK, SETTINGS, final, same_weights
from tests.training.small import few_digits, genotype


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


def test_on_the_way_the_averaged_statistics_of_the_normalisations_do_not_count(data: DataSource) -> None:
    job = Job(genotype(), NETWORK, data, SETTINGS, RunSettings())
    held_out = data.train().take(torch.arange(50))
    parts = TransferParts(data.train(), held_out, data.test())
    network = build_network(genotype(), NETWORK)
    normalisation = statistics(parts.train)
    expected = score_on_the_way(network, parts, normalisation, CPU, job)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.fill_(9.0)
        norm.running_var.fill_(0.01)
    assert score_share(network, held_out, normalisation, CPU, Share(), 10) != expected
    assert score_on_the_way(network, parts, normalisation, CPU, job) == expected
