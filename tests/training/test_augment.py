"""Crop, flip and cutout against a slow, image-by-image account of the same."""

import numpy as np
import pytest
import torch

from nastk.errors import UserError
from nastk.training.augment import Augmentation, Draws, cut_out, draw, gather


def draws(count: int, size: int, augmentation: Augmentation, seed: int = 0) -> Draws:
    generator = torch.Generator().manual_seed(seed)
    shift, centre = draw(augmentation, count, size, generator)
    return Draws(shift, centre, torch.rand(count, generator=generator) < 0.5)


@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_mirrored_padded_and_cropped_images(padding: str, flip: bool, channels: int) -> None:
    size, reach = 8, 2
    augmentation = Augmentation(crop=0.25, flip=flip, padding=padding)
    pixels = torch.randint(0, 256, (20, size, size, channels), dtype=torch.uint8)
    indices = torch.randperm(20)[:12]
    chance = draws(12, size, augmentation)
    found = gather(pixels, indices, chance, augmentation)
    mode = {"reflect": "reflect", "zero": "constant"}[padding]
    for row, index in enumerate(indices):
        image = pixels[index].numpy()
        if flip and chance.mirrored[row]:
            image = image[:, ::-1]
        padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode=mode)
        top, left = (chance.shift[row] + reach).tolist()
        expected = padded[top : top + size, left : left + size]
        assert np.array_equal(found[row].numpy(), expected)


def test_shifts_reach_every_distance_and_no_further() -> None:
    shift, centre = draw(Augmentation(crop=0.125), 2000, 32, torch.Generator().manual_seed(0))
    assert sorted(shift.unique().tolist()) == list(range(-4, 5))
    assert sorted(centre.unique().tolist()) == list(range(32))


@pytest.mark.parametrize(("size", "pixels"), [(32, (4, 16)), (28, (4, 14)), (8, (1, 4)), (1, (0, 1))])
def test_shares_of_the_side_become_pixels(size: int, pixels: tuple[int, int]) -> None:
    assert Augmentation(crop=0.125, cutout=0.5).pixels(size) == pixels


def test_without_crop_and_flip_images_are_as_they_are() -> None:
    augmentation = Augmentation(crop=0.0, flip=False)
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    assert torch.equal(gather(pixels, torch.tensor([3, 1]), draws(2, 8, augmentation), augmentation), pixels[[3, 1]])


@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_blanks_a_square_around_its_centre_and_nothing_else(side: int) -> None:
    chance = draws(50, 10, Augmentation(cutout=0.4))
    found = cut_out(torch.ones(50, 10, 10, 3), chance, side)
    for row in range(50):
        expected = torch.ones(10, 10, 3)
        top, left = (chance.centre[row] - side // 2).tolist()
        expected[max(0, top) : top + side, max(0, left) : left + side] = 0
        assert torch.equal(found[row], expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("crop", -0.1),
        ("crop", 0.6),
        ("crop", True),
        ("cutout", 1.1),
        ("cutout", float("nan")),
        ("padding", "reflct"),
        ("alternate", 1),
    ],
)
def test_an_impossible_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{field}"):
        Augmentation(**{field: value})
