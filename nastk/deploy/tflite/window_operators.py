"""Pooling as LiteRT has it, where padding is only \"same\" or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.tflite.conversion import (
    INT8,
    NONE,
    UINT8_ZERO,
    Conversion,
)
from nastk.deploy.tflite.emitting import emits, known_range, type_of
from nastk.deploy.tflite.graph import Tensor
from nastk.deploy.tflite.windows import SAME, VALID, Window, window

FLOAT_LEAST = float(np.finfo(np.float32).min)


def window_of(conversion: Conversion, node: onnx.NodeProto, how: dict[str, Any], kernel: Any) -> Window:
    """Returns how the windows of a convolution or pooling lie."""
    read, made = (conversion.shape(name)[1:3] for name in (node.input[0], node.output[0]))
    ones = (1, 1)
    return window(
        read, made, kernel, how.get("strides", ones), how.get("dilations", ones), how.get("pads", (0, 0, 0, 0))
    )


def padded(conversion: Conversion, source: Tensor, place: Window, least: bool = False) -> Tensor:
    """Returns a map with zeros around, or with the least there is, which a maximum never takes."""
    if not any(place.pads):
        return source
    top, bottom, left, right = place.pads
    batch, height, width, channels = source.shape
    sides = conversion.integers("pads", [(0, 0), (top, bottom), (left, right), (0, 0)])
    shape = batch, height + top + bottom, width + left + right, channels
    inputs = [source, sides]
    if least:
        value = np.asarray([-UINT8_ZERO if source.dtype == INT8 else FLOAT_LEAST], source.dtype)
        inputs.append(Tensor("least", (1,), source.dtype, source.quantization, value))
    kind = "PADV2" if least else "PAD"
    return conversion.made(kind, inputs, f"{source.name}.padded", shape, source.dtype, source.quantization)


@emits("MaxPool", "AveragePool")
def _pool(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, how = type_of(conversion, node), conversion.attributes(node)
    source = conversion.read(node.input[0], dtype)
    place = window_of(conversion, node, how, how["kernel_shape"])
    greatest = node.op_type == "MaxPool"
    if place.dilations != (1, 1):
        raise UnsupportedError(f"{node.name}: pooling with dilations {place.dilations}")
    around = any(how.get("pads", ())) or any(place.pads)
    counted = greatest or bool(how.get("count_include_pad", 0)) or not around
    if counted and not greatest and place.padding == SAME:  # LiteRT's own does not count them
        place = _explicit(source, conversion.shape(node.output[0]), place, how)
    inner = padded(conversion, source, place, least=greatest)
    options = {
        **{"padding": place.padding, "strideH": place.strides[0], "strideW": place.strides[1]},
        **{"filterHeight": place.kernel[0], "filterWidth": place.kernel[1], "fusedActivationFunction": NONE},
    }
    name, kind = node.output[0], "MAX_POOL_2D" if greatest else "AVERAGE_POOL_2D"
    if counted or place.padding == SAME:
        conversion.add(kind, [inner], name, dtype, source.quantization, **options)
        return
    # Zeros that must not count were counted: each place is put right by what share of its window was none.
    shape = conversion.shape(name)
    pooled = conversion.made(kind, [inner], f"{name}.counted", shape, dtype, source.quantization, **options)
    weights = conversion.constant(f"{name}.weights", _shares(source.shape, shape, place), dtype)
    known = known_range(conversion, name, dtype)
    conversion.add("MUL", [pooled, weights], name, dtype, known, fusedActivationFunction=NONE)


def _explicit(source: Tensor, made: tuple[int, ...], place: Window, how: dict[str, Any]) -> Window:
    """Returns the window with the zeros put around that "same" stood for."""
    begins = how["pads"][:2]
    ends = [
        (made[side + 1] - 1) * place.strides[side] + place.kernel[side] - source.shape[side + 1] - begins[side]
        for side in (0, 1)
    ]
    return place._replace(padding=VALID, pads=(begins[0], max(ends[0], 0), begins[1], max(ends[1], 0)))


def _shares(read: tuple[int, ...], made: tuple[int, ...], place: Window) -> NDArray[np.float32]:
    """Returns, (1, 1, rows, columns), the size of the window over how much of it lies on the map."""
    covered = []
    for side, (begin, size) in enumerate(((place.pads[0], read[1]), (place.pads[2], read[2]))):
        starts = np.arange(made[side + 1]) * place.strides[side] - begin
        covered.append(np.minimum(starts + place.kernel[side], size) - np.maximum(starts, 0))
    counts = covered[0][:, None] * covered[1][None, :]
    shares: NDArray[np.float32] = (place.kernel[0] * place.kernel[1] / counts).astype(np.float32)
    return shares[None, None]


@emits("GlobalMaxPool")
def _global_max(conversion: Conversion, node: onnx.NodeProto) -> None:
    source = conversion.read(node.input[0], type_of(conversion, node))
    options = {"padding": VALID, "strideH": 1, "strideW": 1, "fusedActivationFunction": NONE}
    sizes = {"filterHeight": source.shape[1], "filterWidth": source.shape[2]}
    conversion.add("MAX_POOL_2D", [source], node.output[0], source.dtype, source.quantization, **options, **sizes)


@emits("GlobalAveragePool")
def _global_average(conversion: Conversion, node: onnx.NodeProto) -> None:
    dtype, name = type_of(conversion, node), node.output[0]
    inputs = [conversion.read(node.input[0], dtype), conversion.integers("rows_and_columns", [1, 2])]
    conversion.add("MEAN", inputs, name, dtype, known_range(conversion, name, dtype), keepDims=True)
