"""How a target wants its int8: the type of activations, where zero lies, and between which operators they are int8."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Ranges smaller than this are taken for zero: the product of two scales must not fall out of float32.
LEAST_RANGE = 1e-18


@dataclass(frozen=True)
class Scheme:
    """A way to write a network in int8. Weights are symmetric int8 a channel in all of them.

    Attributes:
        name: of it.
        symmetric: activations are int8 with zero point 0, otherwise uint8 with a zero point that suits the range.
        between: a quantize-dequantize pair stands behind everything that an int8 kernel makes or reads, which is what
            ONNX Runtime fuses; otherwise pairs stand only before weighted operators and on both arms of additions, and
            biases stay float32, as TensorRT wants it and OpenVINO runs fastest.
        pairs: weights are such that two products with uint8 activations add up in 16 bits, see `weight_steps`.
        float_stem: a convolution of the image itself computes in float32 where each of its results is a sum of at most
            so many products, and each pixel under its kernel has at most so many weights. ONNX Runtime's int8 kernel
            gathers a pixel's one or three bytes at a time; with few weights, gathering takes longer than int8 saves.
    """

    name: str
    symmetric: bool
    between: bool
    pairs: bool = False
    float_stem: int = 0

    def scale_and_zero(self, low: float, high: float) -> tuple[np.float32, NDArray[Any]]:
        """Returns step and zero point for a range, widened to hold 0, which padding and ReLU need exact."""
        low, high = min(low, 0.0), max(high, 0.0)
        if self.symmetric:
            return np.float32(max(-low, high, LEAST_RANGE) / 127), np.zeros((), np.int8)
        scale = np.float32(max(high - low, LEAST_RANGE) / 255)
        return scale, np.asarray(np.clip(np.rint(-low / float(scale)), 0, 255), np.uint8)


UINT8 = Scheme("uint8", symmetric=False, between=True, pairs=True)
# scripts/benchmarks/float_stem.py times both sides of this limit.
X86 = dataclasses.replace(UINT8, name="x86", float_stem=128)
ARM = Scheme("arm", symmetric=True, between=True)
TENSORRT = Scheme("tensorrt", symmetric=True, between=False)
OPENVINO = Scheme("openvino", symmetric=False, between=False, pairs=True)
# LiteRT's int8 is this less 128: asymmetric activations, and no kernel that adds products in 16 bits.
LITERT = Scheme("litert", symmetric=False, between=True)
