"""Resizing: what Pillow does, on tensors."""

import numpy as np
import pytest
import torch
from PIL import Image

from nastk.data.decode import central_square
from nastk.data.resize import resized
from tests.data.files import pictures


@pytest.mark.parametrize(("height", "width", "size"), [(40, 64, 16), (64, 41, 16), (37, 37, 32), (8, 8, 20), (9, 4, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_pillows_antialiased_bilinear_of_the_central_square(height, width, size, channels) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    found = resized(torch.from_numpy(image).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    plain = Image.fromarray(image.squeeze()).crop((left, top, left + side, top + side))
    expected = np.asarray(plain.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, channels)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_more_images_than_a_chunk_come_out_each_as_alone() -> None:
    images = torch.from_numpy(pictures(300, 6, 1)).permute(0, 3, 1, 2)
    together = resized(images, 4)
    assert torch.equal(together[299:], resized(images[299:], 4))
    assert together.shape == (300, 1, 4, 4)


def test_images_of_the_size_are_cut_and_not_filtered() -> None:
    images = torch.from_numpy(pictures(2, 8, 3)).permute(0, 3, 1, 2)
    assert torch.equal(resized(images[:, :, :, 1:], 7), images[:, :, :7, 1:])


def test_the_square_lies_in_the_middle() -> None:
    assert central_square(10, 20) == (0, 5, 10)
    assert central_square(21, 10) == (5, 0, 10)
