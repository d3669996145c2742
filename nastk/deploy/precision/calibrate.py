"""Runs a network over real images and notes between which bounds each of its tensors lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from nastk.checks import check_name, check_number
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.precision.histograms import BINS, entropy_bound, histogram, percentile_range
from nastk.deploy.runtimes.session import denormals_flushed, open_session
from nastk.errors import UserError
from nastk.progress import doing

Ranges = dict[str, tuple[float, float]]
METHODS = ("min_max", "percentile", "entropy")
BATCH = 32
# Every tensor of so many images at once is handed out where values are counted.
COUNTED = 4
# Values that a histogram tells a distribution from; a tensor with fewer keeps its bounds.
FEWEST = 8 * BINS


@dataclass(frozen=True)
class Method:
    """How a range is taken from the values of a tensor.

    Attributes:
        name: "min_max"; "percentile": without the greatest and the least; "entropy": cut where what int8 keeps tells
            most, as TensorRT's calibration does.
        percentile: of the values that "percentile" keeps.

    Raises:
        UserError: a value that cannot be.
    """

    name: str = "min_max"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        check_name("calibration_method", self.name, METHODS)
        check_number("export: percentile", self.percentile, 50, 100, above=True)


MIN_MAX = Method()


def check_images(images: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Returns the calibration images as float32.

    Args:
        images: (n, C, H, W), normalised as the network expects it.
        shape: (C, H, W) that the network takes.

    Raises:
        UserError: none, of another shape, not numbers, or not finite.
    """
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
        kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise UserError(f"calibration images: {kind}, expected an array of normalised float32 pixels")
    if images.ndim != 4 or images.shape[1:] != shape:
        raise UserError(f"calibration images: shape {images.shape}, expected (n, {', '.join(map(str, shape))})")
    if not len(images):
        raise UserError("calibration images: none, expected at least one")
    if not np.isfinite(images).all():
        raise UserError("calibration images: NaN or infinite pixels, expected finite ones")
    return np.ascontiguousarray(images, dtype=np.float32)


def tensor_ranges(model: onnx.ModelProto, images: NDArray[np.float32], method: Method = MIN_MAX) -> Ranges:
    """Returns the range of every tensor that depends on the image; it serves any number of emissions for any target.

    Args:
        model: in float32.
        images: (n, C, H, W), as `check_images` gives them.
        method: that takes a range from values.

    Raises:
        UserError: a tensor with values that are not finite.
    """
    with doing(f"calibrating int8 on {len(images)} images"):
        return _ranges(model, images, method)


def _ranges(model: onnx.ModelProto, images: NDArray[np.float32], method: Method) -> Ranges:
    bounds = _bounds(model, images)
    if method.name == "min_max":
        return bounds
    greatest = {name: max(-low, high) for name, (low, high) in bounds.items()}
    ranges = {}
    for name, counts in _histograms(model, images, greatest).items():
        low, high = bounds[name]
        if counts.sum() < FEWEST:
            ranges[name] = low, high
        elif method.name == "percentile":
            least, most = percentile_range(counts, greatest[name], method.percentile)
            ranges[name] = max(low, least), min(high, most)
        else:
            bound = entropy_bound(counts, greatest[name])
            ranges[name] = max(low, -bound), min(high, bound)
    return ranges


def _bounds(model: onnx.ModelProto, images: NDArray[np.float32]) -> Ranges:
    """Returns the least and the greatest values; computed inside the graph, so that no tensor need be handed out."""
    names = _names(model)
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    del observed.graph.output[:]
    for index, name in enumerate(names):
        for op in ("ReduceMin", "ReduceMax"):
            output = f"{op}.{index}"
            observed.graph.node.append(helper.make_node(op, [name], [output], keepdims=0))
            observed.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    session = open_session(observed.SerializeToString(), threads=0)
    with denormals_flushed():
        bounds = [
            np.asarray(session.run(None, {INPUT: images[start : start + BATCH]}), dtype=np.float64).reshape(-1, 2)
            for start in range(0, len(images), BATCH)
        ]
    lows = np.min([bound[:, 0] for bound in bounds], axis=0)
    highs = np.max([bound[:, 1] for bound in bounds], axis=0)
    # A map of one pixel, cropped, has no pixel left: its bounds come out crossed.
    empty = lows > highs
    lows[empty] = highs[empty] = 0
    for name, low, high in zip(names, lows, highs, strict=True):
        if not np.isfinite([low, high]).all():
            raise UserError(f"calibration: tensor {name!r} takes values from {low} to {high}; the network diverges")
    return {name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)}


def _histograms(
    model: onnx.ModelProto, images: NDArray[np.float32], greatest: dict[str, float]
) -> dict[str, NDArray[np.int64]]:
    """Counts the values of each tensor; see `histogram`.

    Not by ONNX Runtime's calibrators: they keep every tensor of every image in memory, and choose in a Python loop.
    """
    names = [name for name in _names(model) if name != INPUT]
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    del observed.graph.output[:]
    observed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = open_session(observed.SerializeToString(), threads=0)
    counts = {name: np.zeros(2 * BINS, np.int64) for name in greatest}
    for start in range(0, len(images), COUNTED):
        batch = images[start : start + COUNTED]
        with denormals_flushed():
            tensors = session.run(names, {INPUT: batch})
        for name, values in zip([INPUT, *names], [batch, *tensors], strict=True):
            counts[name] += histogram(values, greatest[name])
    return counts


def _names(model: onnx.ModelProto) -> list[str]:
    return [INPUT, *(name for node in model.graph.node for name in node.output)]
