"""ONNX's paddings are said as LiteRT's "same" where that is the same, and as zeros put around elsewhere."""

from __future__ import annotations

import pytest

from nastk.deploy.tflite.windows import SAME, VALID, window


@pytest.mark.parametrize(
    ("size", "made", "kernel", "stride", "dilation", "pads", "padding", "put"),
    [
        (8, 8, 3, 1, 1, (1, 1), SAME, (0, 0)),
        (8, 4, 3, 2, 1, (1, 1), VALID, (1, 0)),  # torch's zeros lie before the first row, "same" has them behind
        (7, 4, 3, 2, 1, (1, 1), SAME, (0, 0)),
        (8, 6, 3, 1, 1, (0, 0), VALID, (0, 0)),
        (8, 4, 2, 2, 1, (0, 0), VALID, (0, 0)),
        (8, 8, 3, 1, 2, (2, 2), SAME, (0, 0)),
        (7, 4, 2, 2, 1, (0, 0), SAME, (0, 0)),  # ceil_mode
        (8, 10, 3, 1, 1, (2, 2), VALID, (2, 2)),
    ],
)
def test_a_padding_is_said_as_it_can_be(size, made, kernel, stride, dilation, pads, padding, put) -> None:
    pair = lambda value: (value, value)  # noqa: E731
    found = window(*map(pair, (size, made, kernel, stride, dilation)), (pads[0], pads[0], pads[1], pads[1]))
    assert (found.padding, found.pads) == (padding, (put[0], put[1], put[0], put[1]))
