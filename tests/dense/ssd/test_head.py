"""The layers of SSD."""

from __future__ import annotations

import torch

from nastk.dense.ssd.default_boxes import default_boxes
from nastk.dense.ssd.head import SsdHead
from nastk.networks.features import FeatureInfo


def test_of_300_pixels_the_maps_are_the_paper_s() -> None:
    info = [FeatureInfo(8, stride, side, side) for stride, side in ((4, 75), (8, 38), (16, 19), (32, 10))]
    assert SsdHead(info, 20).sizes == [(side, side) for side in (38, 19, 10, 5, 3, 1)]


def test_there_is_an_output_for_each_default_box_in_their_order() -> None:
    info = [FeatureInfo(8, 4, 8, 16), FeatureInfo(6, 8, 4, 8), FeatureInfo(5, 16, 2, 4)]
    head = SsdHead(info, 3).eval()
    assert head.sizes == [(4, 8), (2, 4), (1, 2), (1, 1)]
    maps = [torch.randn(2, one.channels, one.height, one.width) for one in info]
    logits, offsets = head(maps)
    defaults = default_boxes(head.sizes, 32, 64)
    assert logits.shape == (2, len(defaults), 4) and offsets.shape == (2, len(defaults), 4)
    # What changes in the middle of the row at the top changes the default boxes around there, and no others of the map.
    maps[1][:, :, 0, 4] += 1
    changed = (head(maps)[1] - offsets)[0, : 4 * 8 * 6].abs().sum(1) > 0
    centres = defaults[: 4 * 8 * 6, :2][changed]
    assert {tuple(one) for one in centres.tolist()} == {(x, y) for x in (28, 36, 44) for y in (4, 12)}


def test_maps_of_small_strides_are_read_where_there_are_no_others() -> None:
    assert SsdHead([FeatureInfo(8, 4, 3, 2)], 1).sizes == [(3, 2), (1, 1)]
