"""Rewrites activations that have no int8 kernel as operators that have one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nastk.deploy.precision.calibrate import Ranges

REWRITTEN = ("HardSwish", "HardSigmoid")


@dataclass(frozen=True, eq=False)
class Forms:
    """A model to be quantized; what it computes is right only once it is.

    Attributes:
        model: in float32.
        ranges: of its tensors.
        units: of some tensors, by how much their scale is multiplied where they are written, and where they are read.
        gates: the tensors of `units` that are read in another scale than they are written in.
    """

    model: onnx.ModelProto
    ranges: Ranges
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gates: frozenset[str] = frozenset()


def int8_forms(model: onnx.ModelProto, ranges: Ranges, left: Collection[str] = ()) -> Forms:
    """Returns the model with hard sigmoid as an addition and a ReLU, and hard swish as that and a product.

    Howard et al., "Searching for MobileNetV3", ICCV 2019: hard swish is x ReLU6(x + 3) / 6. Bytes of a range from 0 to
    6 do the work of ReLU6, and read as bytes of a range from 0 to 1 that of the division.

    Args:
        model: in float32.
        ranges: of its tensors.
        left: names of nodes that are left as they are, since they compute in float32.
    """
    if not any(node.op_type in REWRITTEN for node in model.graph.node):
        return Forms(model, ranges)
    rewritten, bounds = onnx.ModelProto(), dict(ranges)
    rewritten.CopyFrom(model)
    del rewritten.graph.node[:]
    units: dict[str, tuple[float, float]] = {}
    gates = set()
    for node in model.graph.node:
        if node.op_type not in REWRITTEN or node.name in left:
            rewritten.graph.node.append(node)
            continue
        # HardSigmoid's own defaults are 0.2 and 0.5.
        given = {"alpha": 0.2, "beta": 0.5} | {attribute.name: attribute.f for attribute in node.attribute}
        swish = node.op_type == "HardSwish"
        alpha, beta = (1 / 6, 0.5) if swish else (given["alpha"], given["beta"])
        name = node.output[0]
        gate, shifted, shift = (f"{name}.gate" if swish else name), f"{name}.shifted", f"{name}.shift"
        rewritten.graph.initializer.append(numpy_helper.from_array(np.asarray(beta / alpha, np.float32), shift))
        rewritten.graph.node.extend(_rewritten(node, gate, shifted, shift))
        bounds[gate] = bounds[shifted] = 0.0, 1.0
        units[gate], units[shifted] = (1 / alpha, 1.0), (1 / alpha, 1 / alpha)
        gates.add(gate)
    return Forms(rewritten, bounds, units, frozenset(gates))


def _rewritten(node: onnx.NodeProto, gate: str, shifted: str, shift: str) -> Iterator[onnx.NodeProto]:
    """Yields relu(x + beta / alpha), and for hard swish the product with x; the last has the node's own name."""
    yield helper.make_node("Add", [node.input[0], shift], [shifted], name=shifted)
    yield helper.make_node("Relu", [shifted], [gate], name=gate if node.op_type == "HardSwish" else node.name)
    if node.op_type == "HardSwish":
        yield helper.make_node("Mul", [node.input[0], gate], node.output, name=node.name)
