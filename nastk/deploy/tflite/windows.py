"""How a window's padding in ONNX, numbers a side, is said in LiteRT: none, "same", or zeros put around before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SAME, VALID = 0, 1  # of the schema


class Window(NamedTuple):
    """A window over height and width.

    Attributes:
        kernel, strides, dilations: rows and columns.
        padding: `SAME` or `VALID`, after `pads` were put around.
        pads: top, bottom, left, right; all 0 where none are to be put around.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: int
    pads: tuple[int, int, int, int]


def window(
    read: Sequence[int],
    made: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> Window:
    """Returns the window.

    Args:
        read, made: rows and columns of what is read and made.
        kernel, strides, dilations: rows and columns.
        pads: as ONNX has them: top, left, bottom, right; what is needed beyond for `made` is added at the end.
    """
    begins, needed, same = list(pads[:2]), [], True
    for side in (0, 1):
        reach = (kernel[side] - 1) * dilations[side] + 1
        whole = (made[side] - 1) * strides[side] + reach
        needed.append(max(whole - read[side] - begins[side], 0))
        total = max((math.ceil(read[side] / strides[side]) - 1) * strides[side] + reach - read[side], 0)
        same &= made[side] == math.ceil(read[side] / strides[side]) and begins[side] == total // 2
    pair = [(int(one[0]), int(one[1])) for one in (kernel, strides, dilations)]
    if not any((*begins, *needed)):
        return Window(pair[0], pair[1], pair[2], VALID, (0, 0, 0, 0))
    if same:
        return Window(pair[0], pair[1], pair[2], SAME, (0, 0, 0, 0))
    return Window(pair[0], pair[1], pair[2], VALID, (begins[0], needed[0], begins[1], needed[1]))
