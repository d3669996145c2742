"""Which default box gets which object."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nastk.dense.ssd.matching import NONE, matched


def test_each_object_gets_its_best_box_then_each_box_its_best_object() -> None:
    # Both objects overlap box 0 most. The second does so by more and gets it; to the first goes what is left, however
    # little. Box 2 overlaps the second by more than a half as well; box 3 by no more than a half.
    overlaps = torch.tensor([[0.7, 0.1, 0.0, 0.05], [0.8, 0.0, 0.6, 0.5]])
    assert matched(overlaps).tolist() == [1, 0, 1, NONE]


def test_without_objects_all_is_background() -> None:
    assert matched(torch.zeros(0, 3)).tolist() == [NONE] * 3


def test_more_objects_than_boxes_leave_the_least_without() -> None:
    assert matched(torch.tensor([[0.1], [0.3], [0.2]])).tolist() == [1]


@given(st.integers(1, 6), st.integers(6, 12), st.integers(0, 2**32 - 1))
def test_every_object_has_a_box_and_what_overlaps_by_half_is_no_background(m: int, d: int, seed: int) -> None:
    overlaps = torch.rand(m, d, generator=torch.Generator().manual_seed(seed))
    found = matched(overlaps)
    assert set(range(m)) <= set(found.tolist())
    assert (found[overlaps.max(0).values > 0.5] != NONE).all()
    lucky = (found != NONE) & (overlaps.max(0).values <= 0.5)
    assert int(lucky.sum()) <= m  # only the one that each object was given
