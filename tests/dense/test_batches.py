"""Batches of images with targets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from PIL import Image
from torch import Tensor

from nastk.data.normalisation import Normalisation
from nastk.dense.batches import DenseBatches, as_read, in_order
from nastk.dense.segmentation import Segmentation
from nastk.dense.task import DenseImages

CPU = torch.device("cpu")
AS_IT_IS = Normalisation((0.0,) * 3, (1 / 255,) * 3)  # pixels stay what they are, 0..255


def numbered(count: int = 7) -> DenseImages:
    """Returns images 4 pixels wide of which each pixel is told by its red value, and masks that are their red."""
    red = torch.arange(count * 8, dtype=torch.uint8).view(count, 2, 4)
    return DenseImages(torch.stack([red, red, red], -1), tuple(red))


def batches(flip: bool = False, batch: int = 3) -> DenseBatches:
    return DenseBatches(numbered(), AS_IT_IS, Segmentation(), batch=batch, flip=flip, seed=3, device=CPU)


def pairs(found: DenseBatches) -> Iterator[tuple[Tensor, Tensor]]:
    for images, masks in found:
        yield from zip(images, masks, strict=True)


@pytest.mark.parametrize("flip", [False, True])
def test_images_and_masks_stay_together_mirrored_or_not(flip: bool) -> None:
    found, mirrored = batches(flip), 0
    for found.epoch in range(4):
        seen = set()
        for image, mask in pairs(found):
            torch.testing.assert_close(image[0], mask.float(), rtol=0, atol=1e-4)
            mirrored += bool(mask[0, 0] > mask[0, 1])
            seen.add(int(mask.min()))
        assert len(seen) == 6  # the seventh image is the short rest of this epoch
    assert 0 < mirrored < 24 if flip else mirrored == 0


def test_an_epoch_is_a_function_of_its_number_and_can_be_entered_in_its_middle() -> None:
    first, again = batches(flip=True), batches(flip=True)
    first.epoch = again.epoch = 5
    again.skip = 1
    whole, rest = list(first), list(again)
    assert len(whole) == 2
    assert len(rest) == 1
    assert torch.equal(whole[1][0], rest[0][0])
    first.epoch = 6
    assert not torch.equal(next(iter(first))[0], whole[0][0])


def test_the_images_stay_as_they_were_though_batches_are_mirrored() -> None:
    found = batches(flip=True)
    before = found._images.images.clone()
    list(found)
    assert torch.equal(found._images.images, before)


def test_a_backbone_of_grey_images_sees_them_as_pillow_makes_them_grey() -> None:
    colours = torch.randint(0, 256, (1, 8, 8, 3), generator=torch.Generator().manual_seed(0)).byte()
    grey = torch.frombuffer(bytearray(Image.fromarray(colours[0].numpy()).convert("L").tobytes()), dtype=torch.uint8)
    assert (as_read(colours, 1).flatten().int() - grey.int()).abs().max() <= 1  # Pillow rounds its weights
    assert as_read(colours, 3) is colours


def test_all_of_a_split_comes_in_its_order() -> None:
    images = [image for found, _ in in_order(numbered(37), AS_IT_IS, CPU) for image in found]
    assert [int(image[0, 0, 0].round()) for image in images] == [8 * place % 256 for place in range(37)]
