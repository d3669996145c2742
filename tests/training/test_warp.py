"""Turning, zooming and recolouring: what the largest amounts do to images whose answer is known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from nastk.data.images import Images
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.training.augment import Augmentation
from nastk.training.batches import Batches
from nastk.training.transfer_settings import TransferSettings
from nastk.training.warp import Warp, warped

CPU = torch.device("cpu")


def images(count: int = 3, size: int = 8, channels: int = 3) -> Tensor:
    return torch.randn((count, size, size, channels), generator=torch.Generator().manual_seed(0))


def draws(count: int = 3, **amounts: float) -> Tensor:
    """All 0, so that nothing happens, but for those named."""
    names = ["angle", "size", "contrast", "saturation", "brightness", "red", "green", "blue"]
    row = torch.tensor([amounts.get(name, 0.0) for name in names])
    return row.expand(count, 8)


def test_no_amount_changes_nothing() -> None:
    batch = images()
    found = warped(batch, draws(), Warp(rotate=90, zoom=0.5, colour=1.0), "reflect")
    torch.testing.assert_close(found, batch, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("angle", "turns"), [(1.0, 1), (-1.0, -1)])
def test_a_quarter_turn_is_that_of_torch(angle: float, turns: int) -> None:
    batch = images()
    found = warped(batch, draws(angle=angle), Warp(rotate=90), "zero")
    torch.testing.assert_close(found, torch.rot90(batch, turns, (1, 2)), atol=1e-5, rtol=0)


def test_an_image_of_twice_the_size_shows_its_middle_and_one_of_half_has_a_border() -> None:
    batch = torch.zeros((1, 8, 8, 1))
    batch[0, 2:6, 2:6] = 1.0
    larger = warped(batch, draws(1, size=1.0), Warp(zoom=1.0), "zero")
    assert larger[0, 1:7, 1:7].min() == 1.0
    smaller = warped(torch.ones((1, 8, 8, 1)), draws(1, size=-1.0), Warp(zoom=1.0), "zero")
    assert smaller[0, 2:6, 2:6].min() == 1.0 and smaller[0, 0].max() == 0.0


def test_colour_changes_what_it_says_and_nothing_else() -> None:
    batch, colour = images(), Warp(colour=0.5)
    mean = batch.mean((1, 2), keepdim=True)
    contrast = warped(batch, draws(contrast=1.0), colour, "zero")
    torch.testing.assert_close(contrast, mean + 1.5 * (batch - mean))
    brighter = warped(batch, draws(brightness=1.0), colour, "zero")
    torch.testing.assert_close(brighter, batch + 0.5)
    grey = warped(batch, draws(saturation=-1.0), Warp(colour=1.0), "zero")
    torch.testing.assert_close(grey, batch.mean(3, keepdim=True).expand_as(batch))
    red = warped(batch, draws(red=1.0), colour, "zero")
    torch.testing.assert_close(red - batch, torch.tensor([0.25, 0.0, 0.0]).expand_as(batch))
    one = batch[..., :1]
    torch.testing.assert_close(warped(one, draws(saturation=1.0, red=1.0), colour, "zero"), one)


def test_an_epoch_is_the_same_again_and_another_one_another() -> None:
    pixels = torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    data = Images(pixels, torch.zeros(16, dtype=torch.int64))
    still = Augmentation(crop=0.0)

    def epoch(number: int, warp: Warp) -> Tensor:
        plain = Normalisation((0.5,) * 3, (0.25,) * 3)
        batches = Batches(data, plain, batch=8, augmentation=still, seed=3, device=CPU, warp=warp)
        batches.epoch = number
        return torch.cat([x for x, _ in batches])

    turned = Warp(rotate=30, zoom=0.2, colour=0.4)
    assert torch.equal(epoch(0, turned), epoch(0, turned))
    assert not torch.equal(epoch(0, turned), epoch(1, turned))
    assert not torch.equal(epoch(0, turned), epoch(0, Warp()))


@pytest.mark.parametrize(
    ("name", "value"), [("rotate", 181.0), ("zoom", -0.1), ("colour", 1.5), ("zoom", float("nan"))]
)
def test_an_amount_that_cannot_be_is_named(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        dataclasses.replace(TransferSettings(), **{name: value})
