"""Mean and deviation of images."""

import pytest
import torch

from nastk.data.images import Images
from nastk.data.normalisation import statistics


def test_they_are_those_of_the_pixels() -> None:
    x = torch.randint(0, 256, (50, 3, 7, 7), dtype=torch.uint8)
    found = statistics(Images(x, torch.zeros(50, dtype=torch.int64)))
    scaled = x.double() / 255
    assert found.mean == pytest.approx(scaled.mean((0, 2, 3)).tolist())
    assert found.std == pytest.approx(scaled.std((0, 2, 3), unbiased=False).tolist())


def test_a_channel_of_one_value_has_deviation_1() -> None:
    x = torch.full((4, 1, 5, 5), 51, dtype=torch.uint8)
    found = statistics(Images(x, torch.zeros(4, dtype=torch.int64)))
    assert found.mean == pytest.approx((0.2,))
    assert found.std == (1.0,)
