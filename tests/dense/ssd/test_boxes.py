"""Boxes, and how far they overlap."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nastk.dense.ssd.boxes import as_centres, as_corners, iou

SIDES = st.floats(0, 100, width=32)


@st.composite
def corners(draw: st.DrawFn, most: int = 8) -> Tensor:
    """Returns (n, 4) of x0, y0, x1, y1; some are empty."""
    boxes = torch.tensor(draw(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), min_size=1, max_size=most)))
    return torch.cat([torch.minimum(boxes[:, :2], boxes[:, 2:]), torch.maximum(boxes[:, :2], boxes[:, 2:])], 1)


def test_overlaps_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    others = torch.tensor([[1.0, 1.0, 3.0, 3.0], [0, 0, 2, 1], [2, 0, 4, 2], [0, 0, 2, 2], [1, 1, 1, 1]])
    torch.testing.assert_close(iou(boxes, others), torch.tensor([[1 / 7, 1 / 2, 0, 1, 0]]))


@given(corners(), corners())
def test_overlap_is_symmetric_and_from_0_to_1(some: Tensor, others: Tensor) -> None:
    found = iou(some, others)
    torch.testing.assert_close(found, iou(others, some).t())
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()


@given(corners())
def test_a_box_overlaps_itself_wholly_unless_it_is_empty(boxes: Tensor) -> None:
    whole = (boxes[:, 2:] - boxes[:, :2] > 1e-3).all(1)
    torch.testing.assert_close(iou(boxes, boxes).diagonal()[whole], torch.ones(int(whole.sum())))


@given(corners())
def test_centres_and_corners_are_each_other_s_reverse(boxes: Tensor) -> None:
    torch.testing.assert_close(as_corners(as_centres(boxes)), boxes, atol=1e-4, rtol=1e-5)
