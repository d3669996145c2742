"""The folder of a trained network: what is written is read again, and what is not right is said in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, load_trained, save_trained
from tests.training.small import genotype

CONFIG = NetworkConfig(cells=1, filters=4, classes=3, channels=1, size=8, auxiliary=True)
FACTS: dict[str, Any] = {
    "normalisation": {"mean": [0.3], "std": [0.2]},
    "classes": ["a", "b", "c"],
    "data": {"name": "npz"},
}


@pytest.fixture
def network(tmp_path: Path) -> nn.Module:
    made = build_network(genotype(), CONFIG)
    made.to(memory_format=torch.channels_last)
    for _ in range(3):
        made(torch.randn(8, 1, 8, 8))
    save_trained(tmp_path, made, CONFIG, genotype(), FACTS)
    return made


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_what_is_read_computes_what_was_written(network: nn.Module, tmp_path: Path) -> None:
    read, config, cells, facts = load_trained(tmp_path)
    assert (config, cells, facts) == (CONFIG, genotype(), FACTS)
    assert not read.training
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(read(images), network.eval()(images), atol=1e-6)


@pytest.mark.parametrize("name", [WEIGHTS, GENOTYPE, NETWORK])
def test_a_missing_file_is_named(name: str, network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        load_trained(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: no such folder"):
        load_trained(tmp_path / "none")


@pytest.mark.parametrize("name", [WEIGHTS, GENOTYPE, NETWORK])
@pytest.mark.parametrize("keep", [0, 7, 40, -1])
def test_a_cut_short_file_is_named(name: str, keep: int, network: nn.Module, tmp_path: Path) -> None:
    content = (tmp_path / name).read_bytes().rstrip()
    (tmp_path / name).write_bytes(content[:keep])
    with pytest.raises(UserError) as caught:
        load_trained(tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2}, "schema 1"),
        ({"config": {**CONFIG.to_dict(), "filters": 0}}, "filters=0"),
        ({"config": {**CONFIG.to_dict(), "filters": 8}}, r"model\.safetensors: \S+ is float32 \[.*\], expected"),
        ({"config": {**CONFIG.to_dict(), "cells": 2}}, r"model\.safetensors: (lacks )?stages\.\S+"),
        ({"config": {**CONFIG.to_dict(), "auxiliary": False}}, r"model\.safetensors: has auxiliary\.\S+"),
        ({"normalisation": {"mean": [0.3], "std": [0.0]}}, "normalisation.std"),
        ({"normalisation": {"mean": [0.3, 0.3], "std": [0.1]}}, "normalisation.mean"),
        ({"normalisation": None}, "normalisation.mean"),
        ({"classes": ["a", "b"]}, "classes is .*, expected 3 names"),
        ({"data": None}, "data is None"),
    ],
)
def test_a_network_file_that_does_not_fit_is_refused(
    fields: dict[str, Any], message: str, network: nn.Module, tmp_path: Path
) -> None:
    change(tmp_path / NETWORK, **fields)
    with pytest.raises(UserError, match=message) as caught:
        load_trained(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_weights_of_another_genotype_are_refused(network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / GENOTYPE).write_text(genotype("sep_conv_3x3").to_json())
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_trained(tmp_path)


def test_an_unknown_op_is_refused(network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / GENOTYPE).write_text(genotype("conv_9x9").to_json())
    with pytest.raises(UserError, match="conv_9x9"):
        load_trained(tmp_path)
