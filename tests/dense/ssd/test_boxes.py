"""Boxes, and how far they overlap."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nastk.dense.ssd.boxes import as_centres, as_corners, iou


def some_boxes(seed: int, count: int) -> Tensor:
    """Returns (count, 4) of x0, y0, x1, y1 on a coarse grid, so that some are empty, equal or touch."""
    boxes = torch.randint(0, 9, (count, 2, 2), generator=torch.Generator().manual_seed(seed)) * 3.7
    return boxes.sort(1).values.flatten(1)


BOXES = st.builds(some_boxes, st.integers(0, 2**32 - 1), st.integers(1, 20))


def test_overlaps_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    others = torch.tensor([[1.0, 1.0, 3.0, 3.0], [0, 0, 2, 1], [2, 0, 4, 2], [0, 0, 2, 2], [1, 1, 1, 1]])
    torch.testing.assert_close(iou(boxes, others), torch.tensor([[1 / 7, 1 / 2, 0, 1, 0]]))


@given(BOXES, BOXES)
def test_overlap_is_symmetric_and_from_0_to_1(some: Tensor, others: Tensor) -> None:
    found = iou(some, others)
    torch.testing.assert_close(found, iou(others, some).t())
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()


@given(BOXES)
def test_a_box_overlaps_itself_wholly_unless_it_is_empty(boxes: Tensor) -> None:
    whole = (boxes[:, 2:] - boxes[:, :2] > 1e-3).all(1)
    torch.testing.assert_close(iou(boxes, boxes).diagonal()[whole], torch.ones(int(whole.sum())))


@given(BOXES)
def test_centres_and_corners_are_each_other_s_reverse(boxes: Tensor) -> None:
    torch.testing.assert_close(as_corners(as_centres(boxes)), boxes, atol=1e-4, rtol=1e-5)
