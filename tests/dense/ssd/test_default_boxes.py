"""Default boxes against the paper."""

from __future__ import annotations

import math

import pytest
import torch

from nastk.dense.ssd.default_boxes import default_boxes, scales

FEW, MANY = (1, 2, 1 / 2), (1, 2, 3, 1 / 2, 1 / 3)


@pytest.mark.parametrize(
    ("size", "maps", "ratios", "count"),
    [
        (300, (38, 19, 10, 5, 3, 1), (FEW, MANY, MANY, MANY, FEW, FEW), 8732),
        (512, (64, 32, 16, 8, 4, 2, 1), (FEW, MANY, MANY, MANY, MANY, FEW, FEW), 24564),
    ],
)
def test_as_many_as_in_table_7_of_the_paper(size: int, maps: tuple[int, ...], ratios: tuple[tuple[float]], count: int):
    assert default_boxes([(side, side) for side in maps], size, size, ratios).shape == (count, 4)


def test_scales_are_evenly_spaced_from_a_fifth_to_nine_tenths() -> None:
    assert scales(6) == pytest.approx([0.2, 0.34, 0.48, 0.62, 0.76, 0.9, 1.04])
    assert scales(1) == pytest.approx([0.2, 0.9])


def test_a_map_of_two_places_by_hand() -> None:
    found = default_boxes([(1, 2), (1, 1)], 100, 200)
    assert found.shape == (18, 4)
    # s_1 = 0.2, s_2 = 0.9 of 100 pixels; places in the middle of the halves.
    wide, tall = 20 * math.sqrt(2), 20 / math.sqrt(2)
    between = 100 * math.sqrt(0.2 * 0.9)
    expected = [[50, 50, 20, 20], [50, 50, wide, tall], [50, 50, 20 * math.sqrt(3), 20 / math.sqrt(3)]]
    expected += [[50, 50, tall, wide], [50, 50, 20 / math.sqrt(3), 20 * math.sqrt(3)], [50, 50, between, between]]
    torch.testing.assert_close(found[:6], torch.tensor(expected))
    torch.testing.assert_close(found[6:12] - found[:6], torch.tensor([[100.0, 0, 0, 0]]).expand(6, 4))
    torch.testing.assert_close(found[12], torch.tensor([100.0, 50, 90, 90]))
