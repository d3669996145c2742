"""How batch, epochs and learning rate follow the number of images."""

from __future__ import annotations

import pytest

from nastk.errors import UserError
from nastk.training.fitted import SEARCH, SUPERNET, TRANSFER, Usual, fitted_batch, fitted_epochs, fitted_rate
from nastk.training.optimizers import OPTIMIZERS


@pytest.mark.parametrize(("images", "size"), [(1_150, 8), (48_000, 28), (45_000, 32), (5_120, 64)])
def test_sets_of_thousands_and_the_digits_keep_the_usual_recipe(images: int, size: int) -> None:
    batch = fitted_batch(images, size)
    assert (batch, fitted_epochs(images, batch, size, SEARCH), fitted_rate(batch, SEARCH, "sgd")) == (64, 4, 0.2)


@pytest.mark.parametrize("usual", [SEARCH, TRANSFER])
@pytest.mark.parametrize("images", [2, 9, 96, 128, 700, 2_000, 4_000, 100_000])
def test_there_are_always_enough_steps_and_a_batch_that_the_images_fill(images: int, usual: Usual) -> None:
    batch = fitted_batch(images, 100)
    epochs = fitted_epochs(images, batch, 100, usual)
    assert 2 <= batch <= min(images, 64)
    assert epochs * (images // batch) >= usual.steps
    assert epochs >= usual.epochs


@pytest.mark.parametrize("usual", [SEARCH, SUPERNET, TRANSFER])
@pytest.mark.parametrize("batch", [8, 32, 64, 128])
def test_the_rate_falls_with_the_batch_by_its_root_where_steps_are_of_a_length(usual: Usual, batch: int) -> None:
    share = min(batch / 64, 1)
    assert fitted_rate(batch, usual, "sgd") == pytest.approx(usual.rates["sgd"] * share)
    for name in ("adamw", "muon"):
        assert fitted_rate(batch, usual, name) == pytest.approx(usual.rates[name] * share**0.5)


def test_each_optimizer_has_its_rate_and_another_name_is_refused() -> None:
    assert set(SEARCH.rates) == set(SUPERNET.rates) == set(TRANSFER.rates) == set(OPTIMIZERS)
    with pytest.raises(UserError, match="'muom'.*muon"):
        fitted_rate(64, SEARCH, "muom")


def test_a_small_set_has_a_small_batch() -> None:
    assert [fitted_batch(images, 100) for images in (128, 1_000, 2_000, 4_000)] == [8, 16, 32, 64]
