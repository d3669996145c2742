"""calibration.json: the ranges of a network's tensors, kept with what they were taken from, read only where it fits."""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.calibrate import Method, Ranges, tensor_ranges
from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import read_json

SCHEMA = 1
CALIBRATION = "calibration.json"


def cached_ranges(
    model: onnx.ModelProto, images: NDArray[np.float32], method: Method, kept: Path | None, out: Path | None = None
) -> Ranges:
    """Returns the ranges of every tensor: those in a file, where they are of this network, these images, this method.

    Args:
        model: in float32.
        images: (n, C, H, W), as `check_images` gives them.
        method: that takes a range from values.
        kept: the file of an earlier calibration, if there may be one; one that is damaged is told of and not used.
        out: file to write the ranges to, with the SHA-256 of model and images.

    Raises:
        UserError: a tensor with values that are not finite, or `out` cannot be written.
    """
    origin = {
        "model": hashlib.sha256(serialise(model)).hexdigest(),
        "images": hashlib.sha256(images.tobytes()).hexdigest(),
        "count": len(images),
        "method": asdict(method),
    }
    ranges = None if kept is None else _read(kept, origin)
    if ranges is None:
        ranges = tensor_ranges(model, images, method)
    if out is not None:
        named = {name: list(bounds) for name, bounds in ranges.items()}
        content = {"schema": SCHEMA, **origin, "sha256": _digest(named), "ranges": named}
        write_json(out, content)
    return ranges


def _read(path: Path, origin: dict[str, Any]) -> Ranges | None:
    """Returns the ranges of a file; None where there is none, it is of something else, or damaged, which is told."""
    if not path.exists():
        return None
    try:
        content = read_json(path)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA or not _is_sound(content.get("ranges")):
            raise UserError(f"{path}: not a calibration of schema {SCHEMA}")
        if content.get("sha256") != _digest(content["ranges"]):
            raise UserError(f"{path}: its ranges are not those that were written")
    except UserError as error:
        print(f"note: {error}; the ranges are collected again", file=sys.stderr)
        return None
    if any(content.get(name) != value for name, value in origin.items()):
        return None
    return {name: (low, high) for name, (low, high) in content["ranges"].items()}


def _is_sound(ranges: Any) -> bool:
    return isinstance(ranges, dict) and all(
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(isinstance(bound, float) and math.isfinite(bound) for bound in bounds)
        and bounds[0] <= bounds[1]
        for bounds in ranges.values()
    )


def _digest(ranges: dict[str, Any]) -> str:
    text = "\n".join(f"{name} {low!r} {high!r}" for name, (low, high) in sorted(ranges.items()))
    return hashlib.sha256(text.encode()).hexdigest()
