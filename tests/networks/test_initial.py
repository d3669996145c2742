"""What fits of a file into a network, and what is told of the rest."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from nastk.networks import build_network
from nastk.networks.initial import fitting, unusable
from tests.training.small import CONFIG, genotype


def network(seed: int = 0, **changes: object) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(genotype(), dataclasses.replace(CONFIG, **changes))  # type: ignore[arg-type]


def weights(seed: int = 0, **changes: object) -> dict[str, Tensor]:
    return dict(network(seed, **changes).state_dict())


def test_all_is_taken_of_a_file_of_the_same_network_in_halves_too() -> None:
    found = {name: one.half() if one.is_floating_point() else one for name, one in weights(1).items()}
    fit = fitting(found, network(), 1)
    assert fit.share == 1 and fit.enough and fit.told.endswith("tensors, 100% of the parameters")
    assert {one.dtype for one in fit.taken.values()} == {torch.float32, torch.int64}
    assert all(torch.equal(fit.taken[name], found[name].to(one.dtype)) for name, one in fit.taken.items())


def test_another_head_and_an_auxiliary_head_are_drawn_anew_and_told() -> None:
    fit = fitting(weights(1, classes=7), network(auxiliary=True), 1)
    assert fit.enough and not any(name.startswith(("head.3", "auxiliary")) for name in fit.taken)
    assert "classifier: 7 classes there, 10 here, drawn anew" in fit.told
    assert fit.told.endswith("; auxiliary head: drawn anew")
    headless = {name: one for name, one in weights(1).items() if not name.startswith("head.3")}
    assert "classifier: not there, drawn anew" in fitting(headless, network(), 1).told


@pytest.mark.parametrize(("there", "here"), [(3, 1), (1, 3), (3, 4)])
def test_the_first_convolution_answers_to_grey_images_as_it_did(there: int, here: int) -> None:
    fit = fitting(weights(1, channels=there), network(channels=here), here)
    assert fit.share == 1 and f"the first convolution made for {here} channel(s) of {there}" in fit.told
    before, after = network(2, channels=there).eval(), network(3, channels=here).eval()
    before.load_state_dict(weights(1, channels=there))
    after.load_state_dict(fit.taken)
    grey = torch.rand(2, 1, 8, 8)
    one, other = (net(grey.expand(-1, channels, -1, -1)) for net, channels in ((before, there), (after, here)))
    assert torch.allclose(one, other, atol=1e-5)


def test_too_little_is_not_enough_and_names_of_any_text_are_told_in_one_line() -> None:
    wide = weights(1, sizes={"cells": 1, "filters": 8})
    hostile = {**wide, "a\x1b[2J\n" * 1000: torch.zeros(1), ".".join("0" * 5000): torch.zeros(1)}
    fit = fitting(hostile, network(), 1)
    assert not fit.enough and "of another shape: " in fit.told and "2 there and not here: 0.0.0" in fit.told
    assert fit.told.isprintable() and len(fit.told) < 1000
    deep = {"layer1.0.conv1.weight": torch.zeros(1), f"{'0.' * 5000}weight": torch.zeros(1)}
    assert not fitting({**deep, "classifier.weight": torch.tensor(1.0)}, network(), 1).enough
    assert not fitting({}, network(), 1).enough


def test_numbers_that_are_not_finite_are_found() -> None:
    assert unusable({"a": torch.tensor(1), "b": torch.zeros(2)}) == ""
    assert unusable({"a": torch.zeros(2), "b": torch.tensor([1e300], dtype=torch.float64)}) == "b"
    assert unusable({"c": torch.tensor([float("nan")], dtype=torch.float16)}) == "c"
