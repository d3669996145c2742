"""What an operation of a network's graph is, for a table of latencies: its kind, window, shapes and neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.shapes import Shape, activation_shapes

# Runtimes compute these within the node before, if that is of the right kind.
FUSABLE = ("Relu", "Add")
WINDOW = ("kernel_shape", "strides", "dilations", "pads")


@dataclass(frozen=True)
class Op:
    """An operation of the float32 graph that nastk writes; equal ones take as long.

    Attributes:
        kind: ONNX's name.
        window: kernel, strides, dilations and paddings, "" where there are none; and of a convolution whether it is
            dense, depthwise or grouped.
        inputs: shapes of one image's activations that it reads, (C, H, W) or (C,), in ascending order.
        output: shape of its result.
        after: of Relu and Add the kinds that make what they read, for they may be fused with these; "" of others.
    """

    kind: str
    window: str
    inputs: tuple[Shape, ...]
    output: Shape
    after: str = ""

    def __str__(self) -> str:
        shapes = "+".join("x".join(map(str, shape)) for shape in self.inputs)
        return f"{self.kind}{f' {self.window}' if self.window else ''} {shapes} > {'x'.join(map(str, self.output))}"

    @property
    def family(self) -> tuple[object, ...]:
        """What it has in common with the same operation on other numbers of channels."""
        if self.kind == "Concat":
            return self.kind, self.output[1:]
        return self.kind, self.window, len(self.inputs), *(shape[1:] for shape in (*self.inputs, self.output))

    @property
    def work(self) -> int:
        """What its time grows with, other things being equal: products of a convolution or values of other kinds."""
        read = sum(shape[0] for shape in self.inputs)
        return read * self.output[0] if "dense" in self.window or self.kind == "Gemm" else read + self.output[0]


def named_ops(model: onnx.ModelProto) -> Iterator[tuple[str, Op]]:
    """Yields name and operation of each node of a float32 graph that nastk has written, in its order."""
    shapes = {name: shape[1:] for name, shape in activation_shapes(model).items()}
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        read = [name for name in node.input if name in shapes]
        after = "+".join(sorted(makers.get(name, INPUT) for name in read)) if node.op_type in FUSABLE else ""
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        weights = next((constants[name] for name in node.input[1:] if name in constants), ())
        window = [f"{name[0]}{','.join(map(str, attributes[name]))}" for name in WINDOW if name in attributes]
        if node.op_type == "Conv":
            window.append(_grouping(int(attributes.get("group", 1)), weights))
        inputs = tuple(sorted(shapes[name] for name in read))
        yield node.name, Op(node.op_type, " ".join(window), inputs, shapes[node.output[0]], after)


def ops_of(model: onnx.ModelProto) -> Mapping[Op, int]:
    """Returns how often each operation is in a graph."""
    return Counter(op for _, op in named_ops(model))


def _grouping(groups: int, weights: Shape) -> str:
    if groups == 1:
        return "dense"
    return "depthwise" if weights[1] == 1 else f"{groups} groups"
