"""What operators work in while they run, beside their inputs and results, in TensorFlow Lite for Microcontrollers.

Of its reference kernels, for the operators that nastk writes, only that of MEAN asks for any.
"""

from __future__ import annotations

import math

from nastk.deploy.tflite.graph import Operator, Tensor

WORD = 4  # bytes of an int32


def scratch(op: Operator) -> list[Tensor]:
    """Returns what an operator works in, in the order in which it asks for it.

    MEAN counts through its input's dimensions and the axes, and adds bytes up in an int32 for each value of its result.
    """
    if op.kind != "MEAN":
        return []
    source, axes = op.inputs
    sums = math.prod(op.output.shape) if source.dtype == "int8" else 0
    return [
        Tensor(f"{op.output.name}/{name}", (words * WORD,), "int8")
        for name, words in (("places", len(source.shape)), ("axes", math.prod(axes.shape)), ("sums", sums))
        if words
    ]
