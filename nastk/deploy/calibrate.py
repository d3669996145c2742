"""Runs a network over real images and notes between which bounds each of its tensors lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from nastk.deploy.graph import INPUT
from nastk.deploy.session import denormals_flushed, open_session
from nastk.errors import UserError

Ranges = dict[str, tuple[float, float]]
BATCH = 32


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


def tensor_ranges(model: onnx.ModelProto, images: NDArray[np.float32]) -> Ranges:
    """Returns the least and the greatest value of every tensor that depends on the image.

    ONNX Runtime computes both inside the graph, so that no tensor need be handed out; the ranges serve any number
    of emissions, whatever their target.

    Args:
        model: in float32.
        images: (n, C, H, W), as `check_images` gives them.

    Raises:
        UserError: a tensor with values that are not finite.
    """
    names = [INPUT, *(name for node in model.graph.node for name in node.output)]
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
