"""How a target wants its int8: the type of activations, whether zero points are 0, and where conversions stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Ranges smaller than this are taken for zero: the product of two scales must not fall out of float32.
LEAST_RANGE = 1e-18


@dataclass(frozen=True)
class Scheme:
    """A way to write a network in int8. Weights are symmetric int8 a channel in all of them.

    Attributes:
        name: for messages.
        signed: activations are int8, otherwise uint8.
        symmetric: the zero point of activations is 0, otherwise wherever the range puts it.
        between: a pair of conversions stands behind everything that an int8 kernel makes, which is what ONNX Runtime
            fuses; otherwise only before weighted operators and on both arms of additions, as TensorRT wants it.
        bias: biases are int32, otherwise float32.
    """

    name: str
    signed: bool
    symmetric: bool
    between: bool
    bias: bool

    def scale_and_zero(self, low: float, high: float) -> tuple[np.float32, NDArray[np.int8] | NDArray[np.uint8]]:
        """Returns step and zero point for a range, widened to hold 0, which padding and ReLU need exact."""
        low, high = min(low, 0.0), max(high, 0.0)
        least, most = (-128, 127) if self.signed else (0, 255)
        kind = np.int8 if self.signed else np.uint8
        if self.symmetric:
            greatest = max(-low, high, LEAST_RANGE)
            return np.float32(greatest / most), np.asarray(0, kind)
        scale = np.float32(max(high - low, LEAST_RANGE) / (most - least))
        return scale, np.asarray(np.clip(np.rint(least - low / float(scale)), least, most), kind)

    def quantized(
        self, value: NDArray[np.float32], scale: np.float32, zero: NDArray[np.generic]
    ) -> NDArray[np.generic]:
        """Returns a constant in steps of `scale` around `zero`."""
        bounds = np.iinfo(zero.dtype)
        return np.clip(np.rint(value / scale) + float(zero), bounds.min, bounds.max).astype(zero.dtype)


X86 = Scheme("x86", signed=False, symmetric=False, between=True, bias=True)
ARM = Scheme("arm", signed=True, symmetric=True, between=True, bias=True)
TENSORRT = Scheme("tensorrt", signed=True, symmetric=True, between=False, bias=False)
