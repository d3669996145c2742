"""Boxes as offsets."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from nastk.dense.ssd.offsets import decoded, encoded

PLACES, SIZES = st.floats(-50, 150, width=32), st.floats(0.5, 200, width=32)
CENTRED = st.lists(st.tuples(PLACES, PLACES, SIZES, SIZES), min_size=3, max_size=3)


def test_offsets_by_hand() -> None:
    default, box = torch.tensor([50.0, 50, 20, 40]), torch.tensor([35.0, 50, 75, 70])
    # The centre is (55, 60), the size 40x20: a quarter of the default box to the right and down, twice and half.
    expected = torch.tensor([2.5, 2.5, math.log(2) / 0.2, math.log(0.5) / 0.2])
    torch.testing.assert_close(encoded(box, default), expected)
    torch.testing.assert_close(decoded(torch.zeros(4), default), torch.tensor([40.0, 30, 60, 70]))


@given(CENTRED, CENTRED)
def test_what_is_encoded_is_decoded_again(some: list[tuple[float]], others: list[tuple[float]]) -> None:
    defaults = torch.tensor(some)
    centre, size = torch.tensor(others).split(2, 1)
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1)
    torch.testing.assert_close(decoded(encoded(boxes, defaults), defaults), boxes, atol=0.01, rtol=1e-3)


def test_no_offset_gives_a_box_that_is_not_finite() -> None:
    assert decoded(torch.full((4,), 1e4), torch.tensor([50.0, 50, 20, 40])).isfinite().all()
