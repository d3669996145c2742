"""The folder of a network that was fine-tuned for int8: its weights as of every trained network, and its ranges."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nastk.deploy.emittable import Emittable
from nastk.deploy.onnx.writer import onnx_model
from nastk.deploy.precision.calibrate import Method, Ranges, tensor_ranges
from nastk.errors import UserError
from nastk.networks.stored import load_trained
from nastk.outside import read_json

SCHEMA = 1
TUNED = "qat.json"


def tuned_emittable(folder: Path, source: Emittable, method: Method) -> Emittable:
    """Returns the fine-tuned network of `folder`, with the ranges that it learned, the others calibrated as ever.

    Args:
        folder: model.safetensors, genotype.json, network.json and qat.json.
        source: the network before.
        method: of the calibration.

    Raises:
        UserError: a file is missing or damaged.
    """
    trained = load_trained(folder)
    learned = _ranges(folder / TUNED)
    model = onnx_model(trained.network, (1, *source.shape), {"key": source.key})
    ranges = tensor_ranges(model, source.calibration, method)
    strange = sorted(learned.keys() - ranges.keys())
    if strange:
        raise UserError(f"{folder / TUNED}: a range of {strange[0]!r}, which is no tensor of the network; damaged")
    return dataclasses.replace(source, network=trained.network, model=model, ranges=ranges | learned)


def _ranges(path: Path) -> Ranges:
    found: Any = read_json(path)
    ranges = found.get("ranges") if isinstance(found, dict) and found.get("schema") == SCHEMA else None
    if not isinstance(ranges, dict) or not all(map(_is_range, ranges.values())):
        raise UserError(f"{path}: expected an object of schema {SCHEMA} with ranges [low, high] by tensor")
    return {name: (float(low), float(high)) for name, (low, high) in ranges.items()}


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(bound) in (int, float) for bound in value)
