"""Who is decayed and who is not, what each optimizer is, and that a resumed training goes on as an unbroken one."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nastk.networks import build_network
from nastk.training.optimizers import OPTIMIZERS
from nastk.training.parameter_groups import by_decay
from nastk.training.recipe import Recipe
from nastk.training.transfer import TransferSettings, train_final
from tests.training.small import CONFIG, few_digits, genotype

NETWORK = dataclasses.replace(CONFIG, auxiliary=True, drop_path=0.3)
SETTINGS = TransferSettings(epochs=3, device="cpu", threads=1, batch=32, mixup=0.2, cutmix=1.0, flip=True)
RATES = {"sgd": 0.1, "adamw": 0.003, "muon": 0.05}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_every_parameter_is_in_one_group_and_only_weights_are_decayed(name: str) -> None:
    network = build_network(genotype("sep_conv_3x3"), NETWORK)
    made = Recipe(optimizer=name, weight_decay=0.01).make_optimizer(network)
    decayed, free = made.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert {id(p) for p in decayed["params"]} == {id(weight) for weight in weights}
    assert any(weight.shape[1] == 1 for weight in weights)  # depthwise ones too, as in the paper's reference
    assert all(p.ndim == 1 for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(network.parameters()))


def test_parameters_that_are_not_trained_are_left_out() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).requires_grad_(False)
    network[1].weight.requires_grad_(True)
    assert [group["params"] for group in by_decay(network.parameters(), 0.1)] == [[network[1].weight]]


def test_sgd_is_nesterovs_with_decay_in_the_gradient() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.5)
    weight = float(layer.weight)
    made = Recipe(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.5).make_optimizer(layer)
    momentum = 0.0
    for _ in range(3):
        layer.weight.grad = torch.ones_like(layer.weight)
        made.step()
        gradient = 1 + 0.5 * weight
        momentum = 0.9 * momentum + gradient
        weight -= 0.1 * (gradient + 0.9 * momentum)
        assert float(layer.weight) == pytest.approx(weight, rel=1e-5)


def test_adamws_decay_is_decoupled_and_its_first_beta_is_the_momentum() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.5)
    weight = float(layer.weight)
    made = Recipe(optimizer="adamw", learning_rate=0.1, momentum=0.8, weight_decay=0.5).make_optimizer(layer)
    assert made.param_groups[0]["betas"] == (0.8, 0.999)
    layer.weight.grad = torch.full_like(layer.weight, 123.0)
    made.step()
    assert float(layer.weight) == pytest.approx(weight * (1 - 0.1 * 0.5) - 0.1, rel=1e-5)


class Stop(Exception):  # noqa: N818
    """Ends a training from inside."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_stopped_training_goes_on_exactly_with_mixing_flips_and_averages(name: str, tmp_path: Path) -> None:
    data = few_digits(tmp_path)
    settings = dataclasses.replace(SETTINGS, optimizer=name, learning_rate=RATES[name], alternate=False)

    def stop(done: int, epochs: int, loss: float) -> None:
        if done == 2:
            raise Stop

    unbroken = train_final(genotype(), NETWORK, data, settings, tmp_path / "unbroken")
    with pytest.raises(Stop):
        train_final(genotype(), NETWORK, data, settings, tmp_path / "broken", stop)
    stored = torch.load(tmp_path / "broken" / "last.ckpt", weights_only=True)
    assert stored["optimizer_states"][0]["state"]
    resumed = train_final(genotype(), NETWORK, data, settings, tmp_path / "broken")
    assert lasting(resumed) == lasting(unbroken)
    assert lasting(json.loads((tmp_path / "broken" / "metrics.json").read_text())) == lasting(unbroken)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "unbroken")]
    assert weights[0] == weights[1]


def lasting(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "seconds"}
