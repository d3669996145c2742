"""Lightning, quiet and quick: the same numbers as a plain loop of the same steps, at little more cost."""

import dataclasses
import random
import time
import warnings
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nastk.data.images import Images
from nastk.data.normalisation import statistics
from nastk.data.sources import Digits
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.seeds import derive_seed
from nastk.spaces import NasnetSpace, random_genotype
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches, in_order
from nastk.training.device import choose_device, place
from nastk.training.fit import fit
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.module import Classifier, clip_norm, score
from nastk.training.recipe import Recipe
from nastk.training.seeds import isolated_rng, threads_set
from tests.training.small import CONFIG, genotype

CPU = torch.device("cpu")
SMALL = genotype("sep_conv_3x3")
IMAGES = Digits().train()
NORMALISATION = statistics(IMAGES)


def batches(images: Images = IMAGES) -> Batches:
    return Batches(images, NORMALISATION, batch=64, augmentation=Augmentation(), seed=1, device=CPU)


def network(cells: Genotype = SMALL, config: NetworkConfig = CONFIG) -> nn.Module:
    made = build_network(cells, config)
    place(made, CPU)
    return made


def with_lightning(recipe: Recipe, *kind: Any) -> tuple[nn.Module, float]:
    with isolated_rng(0, CPU):
        made = network(*kind)
        start = time.process_time()
        fit(Classifier(made, batches(), recipe, seed=0, after_epoch=lambda epoch, loss: None), CPU)
        return made, time.process_time() - start


def with_a_plain_loop(recipe: Recipe, *kind: Any) -> tuple[nn.Module, float]:
    with isolated_rng(0, CPU), ExitStack() as stack:
        made = network(*kind)
        stack.enter_context(quick_forms(made, CPU))
        start = time.process_time()
        loader = batches()
        optimizer = recipe.make_optimizer(made)
        made.train()
        step, steps = 0, recipe.epochs * len(loader)
        for epoch in range(recipe.epochs):
            torch.manual_seed(derive_seed(0, "epoch", epoch))
            loader.epoch = epoch
            total = torch.zeros(())
            for x, y in loader:
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate(step, steps)
                made.set_drop_path_progress(step / steps)
                loss = cross_entropy(made(x), y, label_smoothing=recipe.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(made.parameters(), recipe.clip)
                optimizer.step()
                total += loss.detach()
                step += 1
            assert float(total) > 0
        return made, time.process_time() - start


def test_it_trains_exactly_as_a_plain_loop_does() -> None:
    ours, _ = with_lightning(Recipe(epochs=2))
    plain, _ = with_a_plain_loop(Recipe(epochs=2))
    for (name, weight), expected in zip(ours.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(weight, expected), name


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_gradients_are_clipped_as_torch_clips_them(limit: float) -> None:
    made, other = network(), network()
    for first, second in zip(made.parameters(), other.parameters(), strict=True):
        first.grad = torch.randn(first.shape)
        second.grad = first.grad.clone()
    next(made.parameters()).grad = next(other.parameters()).grad = None  # of a branch that no step uses
    nn.utils.clip_grad_norm_(other.parameters(), limit)
    clip_norm(list(made.parameters()), limit)
    for first, second in zip(made.parameters(), other.parameters(), strict=True):
        assert first.grad is second.grad is None or torch.equal(first.grad, second.grad)


@pytest.mark.slow
def test_a_candidate_of_the_shipped_search_has_095_of_the_throughput_of_a_plain_loop() -> None:
    recipe = Recipe(epochs=3)
    kind = (random_genotype(NasnetSpace(), random.Random(1)), dataclasses.replace(CONFIG, filters=8))
    with threads_set(1, 8):
        pairs = [(with_lightning(recipe, *kind)[1], with_a_plain_loop(recipe, *kind)[1]) for _ in range(7)]
    ours, plain = (min(times) for times in zip(*pairs, strict=True))
    assert plain / ours > 0.95


def test_it_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with_lightning(Recipe(epochs=1))
    assert capfd.readouterr() == ("", "")
    assert not caught


def test_a_score_is_of_eval_mode_and_leaves_the_mode_as_it_was() -> None:
    made = network().train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    first = score(made, in_order(IMAGES, NORMALISATION, CPU))
    assert made.training
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    parts = score(made.eval(), in_order(IMAGES, NORMALISATION, CPU, batch=100))
    assert parts == pytest.approx(first)
    assert not made.training


def test_a_score_counts_right_answers() -> None:
    class Always3(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    accuracy, _ = score(Always3(), in_order(IMAGES, NORMALISATION, CPU))
    assert accuracy == pytest.approx(float((IMAGES.y == 3).float().mean()))


def test_auto_is_a_device_that_there_is() -> None:
    assert torch.zeros(1, device=choose_device("auto")).sum() == 0
    assert choose_device("cpu") == CPU
