"""Batch, epochs, rate and auxiliary head of a transfer, and that a training which was begun keeps its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from nastk.config.build import shipped
from nastk.jobs.transfer.fitting import fitted_recipe, with_head
from nastk.jobs.transfer.plan import TransferPlan, transfer_plan
from nastk.networks import NetworkConfig, build_network, count_parameters
from tests.networks.named import drawn, named


def planned(*overrides: str, network: dict[str, object] | None = None) -> TransferPlan:
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = hydra.compose("transfer", ["data=digits", *overrides])
    searched = OmegaConf.create({"seed": 0, "evaluator": {"network": network or {"cells": 1, "filters": 4}}})
    assert isinstance(searched, DictConfig)
    return transfer_plan(config, searched)


def recipe(plan: TransferPlan, place: Path) -> tuple[int, int, float]:
    made = fitted_recipe(plan, plan.recipe, drawn("nasnet", 0), plan.sizing.network, place)
    return made.batch, made.epochs, made.learning_rate


def test_the_digits_are_trained_as_ever_and_what_is_given_stays(tmp_path: Path) -> None:
    assert recipe(planned(), tmp_path) == (64, 20, 0.05)
    assert recipe(planned("training.batch=32", "training.epochs=3"), tmp_path) == (32, 3, 0.05)
    assert recipe(planned("training=nasnet_cifar"), tmp_path) == (32, 600, 0.025)


def test_a_training_that_was_begun_keeps_batch_epochs_rate_and_head(tmp_path: Path) -> None:
    settings = {"optimizer": "muon", "batch": 16, "epochs": 7, "learning_rate": 0.3}
    begun = {"settings": settings, "network": {"filters": 4}}
    (tmp_path / "training.json").write_text(json.dumps(begun))
    assert recipe(planned(), tmp_path) == (16, 7, 0.3)
    assert recipe(planned("training.optimizer=sgd"), tmp_path)[2] == 0.1  # not the rate of another optimizer
    small = NetworkConfig(filters=4, cells=1, auxiliary=True)
    assert with_head(drawn("nasnet", 0), small, tmp_path) == small


def test_the_stem_is_the_searchs_unless_it_is_given() -> None:
    assert planned().sizing.network.stem == "cifar"
    assert planned(network={"stem": "stride2"}).sizing.network.stem == "stride2"
    assert planned("transfer.stem=stride4", network={"stem": "stride2"}).sizing.network.stem == "stride4"


@pytest.mark.parametrize("size", [32, 100, 224])
def test_the_head_has_at_most_half_of_the_networks_parameters(size: int, tmp_path: Path) -> None:
    genotype = drawn("nasnet", 1)
    config = with_head(genotype, NetworkConfig(size=size, auxiliary=True), tmp_path)
    network = build_network(genotype, config)
    own = count_parameters(network, auxiliary=False)
    assert 0.1 * own < count_parameters(network, auxiliary=True) - own <= 0.5 * own


@pytest.mark.parametrize("name", ["nasnet_a_cifar", "nasnet_a_mobile"])
def test_the_published_networks_get_the_published_head(name: str, tmp_path: Path) -> None:
    genotype, config = named(name)
    config = dataclasses.replace(config, auxiliary=True)
    assert with_head(genotype, config, tmp_path) == config
