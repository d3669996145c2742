"""What the functions that write LiteRT's operators have in common: their register, types and ranges."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from nastk.deploy.tflite.conversion import (
    FLOAT,
    INT8,
    Conversion,
)
from nastk.deploy.tflite.graph import Quantization

Emitter = Callable[[Conversion, onnx.NodeProto], None]
EMITTERS: dict[str, Emitter] = {}


def emits(*kinds: str) -> Callable[[Emitter], Emitter]:
    """Enters a function as what writes nodes of these kinds."""

    def enter(emitter: Emitter) -> Emitter:
        EMITTERS.update(dict.fromkeys(kinds, emitter))
        return emitter

    return enter


def type_of(conversion: Conversion, node: onnx.NodeProto) -> str:
    """Returns in which type a node computes."""
    return INT8 if conversion.in_int8(node) else FLOAT


def known_range(conversion: Conversion, name: str, dtype: str) -> Quantization | None:
    """Returns a tensor's quantization, None where it is float."""
    return conversion.quantization(name) if dtype == INT8 else None
