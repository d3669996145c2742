"""What stands before a convolution and can be said by the convolution alone: zeros around a map, and a crop of it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, fx, nn

Crop = tuple[int, int]
WHOLE = slice(None)


class Absorbed(NamedTuple):
    """How a convolution reads.

    Attributes:
        source: the traced call that it reads.
        padded: zeros around it, beside the convolution's own: left, right, top, bottom, as torch lists them.
        cropped: rows and columns at its beginning that are not seen.
    """

    source: fx.Node
    padded: tuple[int, int, int, int] = (0, 0, 0, 0)
    cropped: Crop = (0, 0)


def absorbed(node: fx.Node, network: nn.Module) -> Absorbed:
    """Returns what a convolution reads once padding and crop before it are its own.

    ONNX's convolution pads each side by itself, where a Pad beside it would run in float32. And a kernel that begins
    with zeros does not see the beginning of each of its windows, so that it needs no Slice, which takes a copy of the
    whole map and which OpenVINO 2026.4 loses before a padded convolution in int8.
    """
    conv = module_of(node, network)
    assert isinstance(conv, nn.Conv2d)
    found = Absorbed(node.all_input_nodes[0])
    pad = module_of(found.source, network)
    if isinstance(pad, nn.ZeroPad2d) and min(pad.padding) >= 0:
        left, right, top, bottom = pad.padding
        found = Absorbed(found.source.all_input_nodes[0], (left, right, top, bottom))
    crop = _crop(found.source)
    begins_with_padding = conv.padding != (0, 0) or found.padded[0] or found.padded[2]
    # A crop of a whole stride or more would be seen better by fewer windows than by larger kernels.
    if crop is None or begins_with_padding or conv.dilation != (1, 1) or any(map(operator.ge, crop, conv.stride)):
        return found
    return found._replace(source=found.source.all_input_nodes[0], cropped=crop)


def grown(weight: Tensor, cropped: Crop) -> Tensor:
    """Returns the kernels, (out, in, height, width), that see of a whole map what `weight` sees of the cropped one."""
    return F.pad(weight, (cropped[1], 0, cropped[0], 0)) if any(cropped) else weight


def cropped_by(weight: Tensor, strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]) -> Crop:
    """Returns the crop that an ONNX convolution's kernels stand for: undoes `grown`, where `absorbed` may have asked.

    Args:
        weight: (out, in, height, width); rows and columns that it begins with are zero in all channels.
        strides, pads, dilations: as the node lists them.
    """
    seen = (weight != 0).flatten(0, 1).any(0)
    rows, columns = (int(seen.any(axis).int().argmax()) for axis in (1, 0))
    possible = not any(pads[:2]) and max(dilations) == 1 and rows < strides[0] and columns < strides[1]
    return (rows, columns) if possible else (0, 0)


def module_of(node: fx.Node, network: nn.Module) -> nn.Module | None:
    """Returns the module that is called, None for functions and methods."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _crop(node: fx.Node) -> Crop | None:
    """Returns how many rows and columns x[:, :, rows:, columns:] leaves out, None for any other call."""
    if node.target is not operator.getitem or not isinstance(node.args[1], tuple) or len(node.args[1]) != 4:
        return None
    *others, rows, columns = node.args[1]
    first, second = _start(rows), _start(columns)
    if others != [WHOLE, WHOLE] or first is None or second is None:
        return None
    return first, second


def _start(part: object) -> int | None:
    """Returns where a slice that goes on to the end begins, None for any other index."""
    if not isinstance(part, slice) or part.stop is not None or part.step not in (None, 1):
        return None
    start = part.start or 0
    return start if isinstance(start, int) and start >= 0 else None
