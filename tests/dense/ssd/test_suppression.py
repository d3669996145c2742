"""Non-maximum suppression against its textbook form."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nastk.dense.ssd.suppression import unsuppressed
from tests.dense.ssd.test_boxes import BOXES


def textbook(boxes: list[list[float]], most: float) -> list[bool]:
    """Takes the boxes one after the other, and keeps those that overlap none that is kept by more than `most`."""
    kept: list[list[float]] = []
    said = []
    for x0, y0, x1, y1 in boxes:
        good = True
        for u0, v0, u1, v1 in kept:
            shared = max(0.0, min(x1, u1) - max(x0, u0)) * max(0.0, min(y1, v1) - max(y0, v0))
            union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - shared
            good = good and not (union > 0 and shared / union > most)
        said.append(good)
        if good:
            kept.append([x0, y0, x1, y1])
    return said


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from((0.3, 0.45, 0.7)))
def test_it_keeps_what_the_textbook_keeps(seed: int, count: int, most: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 20
    boxes = torch.cat([low, low + 5 + 20 * torch.rand(count, 2, generator=generator, dtype=torch.float64)], 1)
    assert unsuppressed(boxes, most).tolist() == textbook(boxes.tolist(), most)


def test_a_box_that_is_removed_removes_none() -> None:
    # Each overlaps its neighbours by 6/14: the second goes, so the third stays.
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert unsuppressed(boxes, 0.4).tolist() == [True, False, True]


@given(BOXES, BOXES)
def test_classes_do_not_remove_each_other_s(one: Tensor, other: Tensor) -> None:
    n = min(len(one), len(other))
    both = torch.stack([one[:n], other[:n]])
    assert torch.equal(unsuppressed(both, 0.5), torch.stack([unsuppressed(each, 0.5) for each in both]))
