"""What TensorRT's table of operators restricts beyond types: one function each, which says how it is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

from nastk.deploy.onnx.graph_index import GraphIndex

Restriction = Callable[[onnx.NodeProto, GraphIndex], str | None]
# Attributes of Resize, ONNX's defaults first, and what TensorRT reads of each.
_RESIZING: Mapping[str, tuple[object, tuple[object, ...]]] = {
    "mode": (b"nearest", (b"nearest", b"linear")),
    "coordinate_transformation_mode": (
        b"half_pixel",
        (b"half_pixel", b"pytorch_half_pixel", b"tf_half_pixel_for_nn", b"asymmetric", b"align_corners"),
    ),
    "nearest_mode": (b"round_prefer_floor", (b"floor", b"ceil", b"round_prefer_floor", b"round_prefer_ceil")),
    "keep_aspect_ratio_policy": (b"stretch", (b"stretch",)),
    "antialias": (0, (0,)),
}
_ODD_CONSTANTS = "sparse_value", "value_string", "value_strings"


def flat_pooling(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """Pools in two or three dimensions."""
    size = len(_attributes(node).get("kernel_shape", ()))
    return None if size in (2, 3) else f"a kernel of {size} dimension(s), expected 2 or 3"


def undilated(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """No dilation."""
    steps = _attributes(node).get("dilations", ())
    return None if set(steps) <= {1} else f"dilations {[*steps]}, expected none but 1"


def one_output(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """The first output alone."""
    count = sum(map(bool, node.output))
    return None if count == 1 else f"{count} outputs, expected the first alone"


def zero_point_is_zero(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """Quantization is symmetric."""
    if not _given(node, 2):
        return None
    zero = graph.constants.get(node.input[2])
    if zero is None:
        return f"its zero point {node.input[2]!r} is computed, expected a constant 0"
    return f"a zero point of {zero[zero != 0][0]}, expected 0" if np.any(zero) else None


def plain_constant(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """Numbers, in full."""
    odd = next((name for name in _attributes(node) if name in _ODD_CONSTANTS), None)
    return odd and f"a constant by {odd}, expected one by value"


def axes_are_initializer(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """Axes are an attribute, or constant in the file."""
    if not _given(node, 1) or node.input[1] in graph.constants:
        return None
    return f"its axes {node.input[1]!r} are computed, expected an initializer"


def axes_are_constant(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """Axes are an attribute, or follow from constants."""
    if not _given(node, 1) or _is_constant(node.input[1], graph):
        return None
    return f"its axes {node.input[1]!r} depend on the images, expected constants"


def known_resize(node: onnx.NodeProto, graph: GraphIndex) -> str | None:
    """One of the ways of resizing that TensorRT has; with scales, on all axes in their order."""
    attributes = _attributes(node)
    for name, (default, known) in _RESIZING.items():
        value = attributes.get(name, default)
        if value not in known and (name != "nearest_mode" or attributes.get("mode", b"nearest") == b"nearest"):
            return f"{name} {_text(value)}, expected {', '.join(map(_text, known))}"
    axes = [*attributes.get("axes", ())]
    if axes and _given(node, 2) and axes != [*range(len(axes))]:
        return f"scales on axes {axes}, expected every axis in order"
    return None


RESTRICTIONS: Mapping[str, Restriction] = {
    made.__name__: made
    for made in (
        flat_pooling,
        undilated,
        one_output,
        zero_point_is_zero,
        plain_constant,
        axes_are_initializer,
        axes_are_constant,
        known_resize,
    )
}


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _given(node: onnx.NodeProto, index: int) -> bool:
    return len(node.input) > index and bool(node.input[index])


def _is_constant(name: str, graph: GraphIndex) -> bool:
    """Returns whether a tensor follows from constants alone."""
    waiting, seen = [name], set[str]()
    while waiting:
        name = waiting.pop()
        if name in graph.constants or name in seen:
            continue
        seen.add(name)
        node = graph.made.get(name)
        if node is None:
            return False
        waiting += [given for given in node.input if given]
    return True


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
