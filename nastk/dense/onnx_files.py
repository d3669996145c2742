"""Networks of several outputs as ONNX: written, run by ONNX Runtime, and compared with torch before they are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from nastk.deploy.export.assess import check_parity
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.calibrate import check_images, tensor_ranges
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.runtimes.session import denormals_flushed, failures_told, open_session
from nastk.deploy.targets import CpuTarget

BATCH = 16
Maps = Mapping[str, NDArray[np.float32]]


def checked_model(
    network: nn.Module,
    outputs: Sequence[str],
    images: NDArray[np.float32],
    metadata: Mapping[str, str],
    file: str,
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Returns the network in float32 ONNX, and by output the greatest difference from torch's.

    Args:
        network: in eval mode on the CPU, from images to a tensor for each of `outputs`.
        outputs: their names.
        images: (n, C, H, W), normalised, to compare on.
        metadata: text pairs to keep in the file.
        file: its name, for messages.

    Raises:
        UserError: the network cannot be written, or ONNX Runtime does not take it.
        ParityError: it computes something else than the network.
    """
    model = onnx_model(network, images.shape, metadata, tuple(outputs))
    found, expected = outputs_of(model, images), torch_outputs(network, outputs, images)
    for name in outputs:
        check_parity(f"{file} {name}", found[name], expected[name])
    return model, {name: {"max_difference": float(np.abs(found[name] - expected[name]).max())} for name in outputs}


def int8_maps(
    model: onnx.ModelProto, calibration: NDArray[np.float32], images: NDArray[np.float32]
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Returns a model in int8, for x86, whose outputs are read further within it, and how far its outputs are off.

    Such an output is what the next layer reads, so it has 256 values too; else its layer would run in float32.

    Args:
        model: in float32, from `checked_model`.
        calibration: (n, C, H, W), normalised training images, that ranges are taken from.
        images: the same of others, to compare on.

    Returns:
        The model, and by output "max_difference" from the float32 file's and "snr_db", the signal against the error.
    """
    apart = _outputs_apart(model)
    shape = calibration.shape[1:]
    quantized = quantized_model(apart, tensor_ranges(apart, check_images(calibration, shape)))
    lint(quantized, CpuTarget())
    exact, found = outputs_of(model, images), outputs_of(quantized, images)
    return quantized, {name: _error(exact[name], found[name]) for name in exact}


def outputs_of(model: onnx.ModelProto, images: NDArray[np.float32]) -> Maps:
    """Returns what ONNX Runtime makes of normalised images (n, C, H, W), by output."""
    names = [output.name for output in model.graph.output]
    session = open_session(serialise(model))
    with denormals_flushed(), failures_told():
        parts = [
            session.run(names, {INPUT: np.ascontiguousarray(images[at : at + BATCH])})
            for at in range(0, len(images), BATCH)
        ]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def torch_outputs(network: nn.Module, outputs: Sequence[str], images: NDArray[np.float32]) -> Maps:
    """Returns what torch makes of the same, in the network's mode."""
    parts = []
    with torch.inference_mode():
        for at in range(0, len(images), BATCH):
            result = network(torch.from_numpy(images[at : at + BATCH]))
            parts.append((result,) if isinstance(result, Tensor) else tuple(result))
    return {name: torch.cat([part[place] for part in parts]).numpy() for place, name in enumerate(outputs)}


def _outputs_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model with a node of its own for each output, so that quantizing sees a tensor that others read."""
    apart = onnx.ModelProto()
    apart.CopyFrom(model)
    inner = {output.name: f"{output.name}.map" for output in apart.graph.output}
    for node in apart.graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    apart.graph.node.extend(helper.make_node("Identity", [made], [name], name=name) for name, made in inner.items())
    return apart


def _error(exact: NDArray[np.float32], found: NDArray[np.float32]) -> dict[str, float]:
    error = exact.astype(np.float64) - found
    least = float(np.finfo(np.float32).tiny)
    signal, noise = (max(float((values.astype(np.float64) ** 2).mean()), least) for values in (exact, error))
    return {"max_difference": float(np.abs(error).max()), "snr_db": round(10 * math.log10(signal / noise), 2)}
