"""What a network asks of a device, by kinds of operations, read off its graph: terms that a latency can be a sum of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import onnx

from nastk.deploy.cost.op_rows import FUSABLE, Op, ops_of
from nastk.deploy.onnx.shapes import Shape

GRAPH = "graph"  # the reading of predictors whose terms these are
FLOAT = 4
MEGA, GIGA = 1e6, 1e9
COUNT, WORK, TRAFFIC = "ops", "gmacs", "mb"


def graph_terms(model: onnx.ModelProto) -> dict[str, float]:
    """Returns how much of each kind of work there is in a float32 graph that nastk has written, for one image.

    Of every kind "KIND/ops" is how many there are, "KIND/gmacs" their multiply-accumulates in 10^9, where they have
    any, and "KIND/mb" the megabytes (10^6) that they read and write, weights included. Kinds are convolutions of one
    pixel and larger dense ones, depthwise and grouped ones, "linear", "pool", what is computed value by value, and what
    a runtime may compute within the operation before it ("fused").
    """
    terms: defaultdict[str, float] = defaultdict(float)
    for op, count in ops_of(model).items():
        kind, macs = _kind(op), op_macs(op)
        terms[f"{kind}/{COUNT}"] += count
        terms[f"{kind}/{TRAFFIC}"] += count * op_bytes(op) / MEGA
        if macs:
            terms[f"{kind}/{WORK}"] += count * macs / GIGA
    return dict(terms)


def op_macs(op: Op) -> int:
    """Returns the multiply-accumulates of an operation, 0 where it has no weights."""
    return _weights(op) * (math.prod(op.output[1:]) if op.kind == "Conv" else 1)


def op_bytes(op: Op) -> int:
    """Returns the bytes that an operation reads and writes in float32."""
    return FLOAT * (sum(math.prod(shape) for shape in (*op.inputs, op.output)) + _weights(op))


def total(terms: Mapping[str, float], what: str) -> float:
    """Returns the sum over all kinds: of "ops", "gmacs" or "mb"."""
    return sum(value for name, value in terms.items() if name.endswith(f"/{what}"))


def _kind(op: Op) -> str:
    if op.kind == "Conv":
        kernel = math.prod(_kernel(op))
        grouping = op.window.rpartition(" ")[2]
        if grouping == "dense":
            return "conv 1x1" if kernel == 1 else "conv"
        return "depthwise conv" if grouping == "depthwise" else "grouped conv"
    if op.kind in ("Gemm", "MatMul"):
        return "linear"
    if "Pool" in op.kind or op.kind.startswith("Reduce"):
        return "pool"
    return "fused" if op.kind in FUSABLE and "Conv" in op.after else "elementwise"


def _weights(op: Op) -> int:
    if op.kind in ("Gemm", "MatMul"):
        return op.inputs[0][0] * op.output[0] if op.inputs else 0
    if op.kind != "Conv":
        return 0
    return math.prod(_kernel(op)) * op.output[0] * op.inputs[0][0] // _groups(op)


def _groups(op: Op) -> int:
    grouping = op.window.rpartition(" ")[2]
    if grouping == "depthwise":
        return op.inputs[0][0]
    return 1 if grouping == "dense" else int(op.window.split()[-2])


def _kernel(op: Op) -> Shape:
    sizes = next((part[1:] for part in op.window.split() if part.startswith("k")), "1")
    return tuple(int(size) for size in sizes.split(","))
