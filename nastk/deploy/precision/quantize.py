"""Writes a float32 ONNX file as int8: static QDQ, in the form that a target's runtime fuses into int8 kernels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.graph_index import WEIGHTED
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.calibrate import Ranges, check_images, tensor_ranges
from nastk.deploy.precision.int8_forms import Forms, int8_forms
from nastk.deploy.precision.kept_float import float_stems, idle_nodes
from nastk.deploy.precision.quantizer import Quantizer
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.errors import unknown
from nastk.files import write_bytes

# Assumed to have no negative results.
FROM_ZERO = ("Relu", "Sigmoid", "HardSigmoid", "Clip")
# Nor have these, where nothing that comes in is negative.
NO_LOWER = (
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Add", "Mul"),
    *("Flatten", "Reshape", "Transpose", "Slice", "Split", "Gather"),
)
SHAPED = ("Reshape", "Slice", "Split", "Gather")  # of their inputs, the first is the data


def quantize_int8(onnx_path: Path, out_path: Path, calibration: NDArray[Any]) -> None:
    """Quantizes a file that `write_onnx` wrote.

    Activations are asymmetric uint8 a tensor, weights symmetric int8 a channel, biases int32; the logits stay float32.

    Args:
        onnx_path: float32 model.
        out_path: replaced at once; equal inputs give equal bytes.
        calibration: (n, C, H, W) normalised images, some hundred training images, from which ranges are taken.

    Raises:
        UserError: the file is no such model, the images do not fit it or are not finite, or it cannot be written.
    """
    checked = validate_model(onnx_path)
    model = onnx.ModelProto.FromString(checked.data)
    ranges = tensor_ranges(model, check_images(calibration, checked.shape))
    write_bytes(out_path, serialise(quantized_model(model, ranges)))


def quantized_model(
    model: onnx.ModelProto, ranges: Ranges, scheme: Scheme = X86, keep_float: Collection[str] = frozenset()
) -> onnx.ModelProto:
    """Returns the model with quantize-dequantize pairs where the scheme wants them.

    Scheme: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", CVPR 2018.

    Args:
        model: float32; left as it is.
        ranges: of its tensors, from `tensor_ranges`.
        scheme: of the target that will run it.
        keep_float: names of convolutions and linear layers that compute in float32 all the same, beside the scheme's
            `float_stems`.

    Raises:
        UserError: a name in `keep_float` that none of them has.
    """
    names = {node.name for node in model.graph.node if node.op_type in WEIGHTED}
    for name in keep_float:
        if name not in names:
            raise unknown("node to keep in float", name, names)
    idle = idle_nodes(model, keep_float)
    forms = int8_forms(model, ranges, idle) if scheme.between else Forms(model, ranges)
    return Quantizer(forms, scheme, float_stems(model, scheme).union(keep_float), idle).model()


def assumed_ranges(model: onnx.ModelProto) -> Ranges:
    """Returns ranges for a network that nothing is known of: int8 kernels take the same time whatever the values.

    What matters is where a range begins at zero, since there quantizing does a ReLU's work, and that no two are equal,
    since a concatenation converts the parts whose scale is not its own.
    """
    ranges = {INPUT: (-1.0, 1.0)}
    for index, node in enumerate(model.graph.node):
        entering = node.input[:1] if node.op_type in SHAPED else node.input
        kept = node.op_type in NO_LOWER and all(ranges.get(name, (-1.0, 1.0))[0] == 0 for name in entering)
        low = 0.0 if kept or node.op_type in FROM_ZERO else -1.0
        ranges.update(dict.fromkeys(node.output, (low, 1.0 + index / 1000)))
    return ranges
