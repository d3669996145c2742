"""The moving average against one kept by hand."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.networks import build_network
from nastk.training.augment import Augmentation
from nastk.training.averaging import AveragingClassifier, MovingAverage
from nastk.training.batches import Batches
from nastk.training.fit import fit
from nastk.training.recipe import Recipe
from nastk.training.seeds import isolated_rng
from tests.training.small import CONFIG, genotype

CPU = torch.device("cpu")
IMAGES = Digits().train().take(torch.arange(320))


class Watch(pl.Callback):
    """Keeps the network's state after each step."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *rest: Any) -> None:
        self.states.append(copy.deepcopy(pl_module.network.state_dict()))


def trained(average: float) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    batches = Batches(IMAGES, statistics(IMAGES), batch=32, augmentation=Augmentation(), seed=0, device=CPU)
    watch = Watch()
    with isolated_rng(0, CPU):
        network = build_network(genotype(), CONFIG)
        module = AveragingClassifier(
            network, batches, Recipe(epochs=2), seed=0, after_epoch=lambda *_: None, average=average
        )
        fit(module, CPU, [watch])
    return module.result.state_dict(), watch.states


def test_weights_and_statistics_are_averaged_exponentially_from_the_first_step_on() -> None:
    result, states = trained(average=0.25)
    decay = 1 - 1 / (0.25 * 20)
    assert len(states) == 20
    expected = states[0]
    for state in states[1:]:
        for name, value in state.items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in result.items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], atol=1e-6), name
    assert any("running_var" in name for name in result)


def test_it_is_torchs_average_bit_for_bit() -> None:
    network = build_network(genotype(), CONFIG).train()
    average_of = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    theirs, ours = AveragedModel(network, multi_avg_fn=average_of, use_buffers=True), MovingAverage(network, 0.9)
    for step in range(8):
        network(torch.randn(4, 1, 8, 8))  # counts into the statistics
        for weight in network.parameters():
            nn.init.normal_(weight)
        theirs.update_parameters(network)
        if step in (0, 3):  # as a training begins, and as one goes on
            ours.begin(network)
        ours.move()
    found = ours.state_dict()
    assert list(found) == list(theirs.state_dict())
    assert all(torch.equal(found[name], value) for name, value in theirs.state_dict().items())
    assert any(not value.is_floating_point() and value > 0 for name, value in found.items() if "num_batches" in name)


@pytest.mark.parametrize("average", [0.0, 0.05])
def test_without_a_memory_the_last_weights_are_the_result(average: float) -> None:
    result, states = trained(average)  # a share of 0.05 of 20 steps is the last one
    for name, value in states[-1].items():
        assert torch.allclose(result[name], value, atol=1e-6), name


def test_averaging_changes_nothing_of_the_training() -> None:
    assert all(
        torch.equal(ours[name], theirs[name])
        for ours, theirs in zip(trained(0.0)[1], trained(0.3)[1], strict=True)
        for name in ours
    )


def test_the_auxiliary_head_is_kept_once_and_an_earlier_checkpoints_average_of_it_is_not_taken() -> None:
    network = build_network(genotype(), replace(CONFIG, auxiliary=True))
    batches = Batches(IMAGES, statistics(IMAGES), batch=32, augmentation=Augmentation(), seed=0, device=CPU)
    module = AveragingClassifier(network, batches, Recipe(), seed=0, after_epoch=lambda *_: None, average=0.3)
    heads = [weight for name, weight in module.state_dict().items() if ".auxiliary." in name]
    assert heads
    assert 2 * len({weight.data_ptr() for weight in heads}) == len(heads)
    weights = {name: weight.clone() for name, weight in module.state_dict().items()}
    before = {name: weight + 1 if name.startswith("averaged.") else weight for name, weight in weights.items()}
    module.on_load_checkpoint({"state_dict": before})
    module.load_state_dict(before)
    for name, weight in network.auxiliary.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(weight, weights[f"network.auxiliary.{name}"])
