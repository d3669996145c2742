"""Rewrites activations that have no int8 kernel as operators that have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.precision.calibrate import Ranges

# Hendrycks, Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415: x sigmoid(1.702 x) is within 0.021 of GELU.
GELU_SLOPE = 1.702


@dataclass(frozen=True, eq=False)
class Forms:
    """A model to be quantized; what it computes is right only once it is.

    Attributes:
        model: in float32.
        ranges: of its tensors.
        units: of some tensors, by how much their scale is multiplied where they are written, and where they are read.
        gates: the tensors of `units` whose range is part of what the activation computes.
    """

    model: onnx.ModelProto
    ranges: Ranges
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gates: frozenset[str] = frozenset()


def int8_forms(model: onnx.ModelProto, ranges: Ranges, left: Collection[str] = ()) -> Forms:
    """Returns the model with hard sigmoid, hard swish, ReLU6 and GELU as operators that int8 kernels compute.

    Args:
        model: in float32.
        ranges: of its tensors.
        left: names of nodes that are left as they are, since they compute in float32.
    """
    if not any(node.op_type in REWRITTEN for node in model.graph.node):
        return Forms(model, ranges)
    rewriting = _Rewriting(model, ranges)
    for node in model.graph.node:
        rewrite = None if node.name in left or node.output[0] == OUTPUT else REWRITTEN.get(node.op_type)
        if rewrite is None or not rewrite(rewriting, node):
            rewriting.model.graph.node.append(node)
    return Forms(rewriting.model, rewriting.ranges, rewriting.units, frozenset(rewriting.gates))


class _Rewriting:
    """The forms as they grow."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        del self.model.graph.node[:]
        self.ranges = dict(ranges)
        self.units: dict[str, tuple[float, float]] = {}
        self.gates: set[str] = set()
        self.readers = Counter(name for node in model.graph.node for name in node.input)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def node(self, op: str, inputs: list[str], output: str, name: str = "") -> None:
        self.model.graph.node.append(helper.make_node(op, inputs, [output], name=name or output))

    def constant(self, value: float, name: str) -> None:
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))

    def number(self, name: str) -> float | None:
        """Returns the value of a constant, None where there is none of that name."""
        tensor = self.constants.get(name)
        return None if tensor is None else float(numpy_helper.to_array(tensor).item())


def _hard_sigmoid(forms: _Rewriting, node: onnx.NodeProto) -> bool:
    # HardSigmoid's own defaults are 0.2 and 0.5.
    given: dict[str, Any] = {"alpha": 0.2, "beta": 0.5} | {part.name: part.f for part in node.attribute}
    _gate(forms, node, node.output[0], given["alpha"], given["beta"], node.name)
    return True


def _hard_swish(forms: _Rewriting, node: onnx.NodeProto) -> bool:
    """Howard et al., "Searching for MobileNetV3", ICCV 2019: hard swish is x ReLU6(x + 3) / 6."""
    gate = f"{node.output[0]}.gate"
    _gate(forms, node, gate, 1 / 6, 0.5, gate)
    forms.node("Mul", [node.input[0], gate], node.output[0], node.name)
    return True


def _gate(forms: _Rewriting, node: onnx.NodeProto, gate: str, alpha: float, beta: float, name: str) -> None:
    """Writes relu(x + beta / alpha).

    Bytes of a range from 0 to 6 do the work of ReLU6, and read as bytes of a range from 0 to 1 that of the division.
    """
    shifted, shift = f"{node.output[0]}.shifted", f"{node.output[0]}.shift"
    forms.constant(beta / alpha, shift)
    forms.node("Add", [node.input[0], shift], shifted)
    forms.node("Relu", [shifted], gate, name)
    forms.ranges[gate] = forms.ranges[shifted] = 0.0, 1.0
    forms.units[gate], forms.units[shifted] = (1 / alpha, 1.0), (1 / alpha, 1 / alpha)
    forms.gates.add(gate)


def _clip(forms: _Rewriting, node: onnx.NodeProto) -> bool:
    """A clip from 0, such as ReLU6, is a ReLU whose bytes end where it does."""
    bounds = [forms.number(name) for name in node.input[1:]]
    if len(bounds) != 2 or bounds[0] != 0 or bounds[1] is None or bounds[1] <= 0:
        return False
    name = node.output[0]
    forms.node("Relu", [node.input[0]], name, node.name)
    forms.ranges[name] = 0.0, min(bounds[1], forms.ranges[name][1])
    forms.units[name] = 1.0, 1.0
    forms.gates.add(name)
    return True


def _gelu(forms: _Rewriting, node: onnx.NodeProto) -> bool:
    """As x sigmoid(1.702 x): x is read 1.702 times greater than it is written, and the product that much smaller."""
    source, result = node.input[0], node.output[0]
    if forms.readers[source] != 1 or source == INPUT or source in forms.units:
        return False
    gate = f"{result}.gate"
    forms.node("Sigmoid", [source], gate)
    forms.node("Mul", [source, gate], result, node.name)
    forms.ranges[gate] = 0.0, 1.0
    forms.units[source], forms.units[result] = (1.0, GELU_SLOPE), (GELU_SLOPE, 1.0)
    return True


REWRITTEN: dict[str, Callable[[_Rewriting, onnx.NodeProto], bool]] = {
    "HardSwish": _hard_swish,
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Gelu": _gelu,
}
