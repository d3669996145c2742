"""How batch, epochs and learning rate follow the number of images."""

from __future__ import annotations

import pytest

from nastk.training.fitted import SEARCH, TRANSFER, Usual, fitted_batch, fitted_epochs, fitted_rate


@pytest.mark.parametrize(("images", "size"), [(1_150, 8), (48_000, 28), (45_000, 32), (5_120, 64)])
def test_sets_of_thousands_and_the_digits_keep_the_usual_recipe(images: int, size: int) -> None:
    batch = fitted_batch(images, size)
    assert (batch, fitted_epochs(images, batch, size, SEARCH), fitted_rate(batch, SEARCH)) == (64, 4, 0.2)


@pytest.mark.parametrize("usual", [SEARCH, TRANSFER])
@pytest.mark.parametrize("images", [2, 9, 96, 128, 700, 2_000, 4_000, 100_000])
def test_there_are_always_enough_steps_and_a_batch_that_the_images_fill(images: int, usual: Usual) -> None:
    batch = fitted_batch(images, 100)
    epochs = fitted_epochs(images, batch, 100, usual)
    assert 2 <= batch <= min(images, 64)
    assert epochs * (images // batch) >= usual.steps
    assert epochs >= usual.epochs
    assert fitted_rate(batch, usual) == pytest.approx(usual.rate * batch / 64)


def test_a_small_set_has_a_small_batch() -> None:
    assert [fitted_batch(images, 100) for images in (128, 1_000, 2_000, 4_000)] == [8, 16, 32, 64]
