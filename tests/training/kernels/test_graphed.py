"""Captured steps: where they cannot be, one line says so; where they can, they train as steps launched one by one."""

import dataclasses
import warnings

import pytest
import torch

from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network
from nastk.networks.network import Network
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches
from nastk.training.device import choose_device, place
from nastk.training.fit import fit
from nastk.training.kernels.graphed import LEAST_STEPS, graphed, why_not
from nastk.training.module import Classifier
from nastk.training.recipe import Recipe
from nastk.training.seeds import isolated_rng
from nastk.training.share import Share
from tests.training.small import CONFIG, genotype

IMAGES = Digits().train()
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU: CUDA graphs are not tried")


def network(config: NetworkConfig = CONFIG) -> Network:
    torch.manual_seed(0)
    return build_network(genotype("sep_conv_3x3"), config)


def batches(device: torch.device) -> Batches:
    return Batches(IMAGES, statistics(IMAGES), batch=64, augmentation=Augmentation(), seed=1, device=device)


def trained(device: torch.device, **fields: object) -> tuple[Network, list[float]]:
    losses: list[float] = []
    with isolated_rng(0, device):
        made = network()
        place(made, device)
        recipe = Recipe(**{"epochs": 2, **fields})  # type: ignore[arg-type]
        module = Classifier(made, batches(device), recipe, seed=0, after_epoch=lambda _, loss: losses.append(loss))
        fit(module, device)
    return made, losses


def test_the_reasons_against_are_known() -> None:
    gpu = torch.device("cuda")
    assert why_not(network(), gpu, Share()) is None
    assert "no CUDA graphs on cpu" in str(why_not(network(), torch.device("cpu"), Share()))
    assert "DDP" in str(why_not(network(), gpu, Share(0, 2, ddp=True)))
    assert "drop path" in str(why_not(network(dataclasses.replace(CONFIG, drop_path=0.1)), gpu, Share()))


def test_asked_for_on_a_cpu_it_says_in_one_line_that_it_trains_without() -> None:
    with pytest.warns(UserWarning, match="^graph: there are no CUDA graphs on cpu; trains without CUDA graphs$"):
        _, losses = trained(torch.device("cpu"), graph=True)
    assert losses == trained(torch.device("cpu"), graph=False)[1]


@pytest.mark.parametrize("wanted", ["auto", False])
def test_otherwise_a_cpu_trains_without_a_word(wanted: bool | str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(torch.device("cpu"), graph=wanted, epochs=1)


def test_batches_have_the_shape_that_they_say() -> None:
    source = batches(torch.device("cpu"))
    assert [tuple(x.shape) for x, _ in source] == [source.shape] * len(source)


def test_autocast_to_bfloat16_trains_as_well_and_not_the_same() -> None:
    _, losses = trained(torch.device("cpu"), precision="fp32")
    half, halved = trained(torch.device("cpu"), precision="bf16")
    assert halved == pytest.approx(losses, rel=0.1)
    assert halved != losses
    assert {weight.dtype for weight in half.parameters()} == {torch.float32}
    assert trained(torch.device("cpu"))[1] == losses


@pytest.mark.parametrize(("field", "value"), [("graph", "yes"), ("graph", 1), ("precision", "fp16")])
def test_an_impossible_setting_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}"):
        Recipe(**{field: value})  # type: ignore[arg-type]


@GPU
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_captured_training_has_the_losses_of_one_that_is_not(precision: str) -> None:
    device = choose_device("cuda")
    ours, losses = trained(device, graph=True, precision=precision)
    plain, expected = trained(device, graph=False, precision=precision)
    assert losses == pytest.approx(expected, rel=1e-3)
    statistics_of = [dict(made.named_buffers()) for made in (ours, plain)]
    for name, value in statistics_of[1].items():
        torch.testing.assert_close(statistics_of[0][name], value, rtol=1e-2, atol=1e-3)


@GPU
def test_afterwards_the_network_is_as_before_and_short_trainings_are_not_captured() -> None:
    device = choose_device("cuda")
    made = network()
    place(made, device)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    for wanted, steps, expected in (
        (True, 1, True),
        ("auto", LEAST_STEPS, True),
        ("auto", 1, False),
        (False, 99, False),
    ):
        with graphed(made, batches(device), device, wanted=wanted, steps=steps, bf16=True) as captured:
            assert captured is expected
        assert "forward" not in made.__dict__
        assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
