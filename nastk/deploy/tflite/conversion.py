"""Turns an ONNX graph of nastk's into one for LiteRT: channels last, activations within layers, int8 by its ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.shapes import activation_shapes
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.precision.kept_float import idle_nodes
from nastk.deploy.precision.scheme import LITERT
from nastk.deploy.precision.shared_scales import following
from nastk.deploy.tflite.graph import Graph, Operator, Quantization, Tensor

FLOAT, INT8, INT32 = "float32", "int8", "int32"
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
# LiteRT computes these within the operator before.
FUSING = ("Conv", "Gemm", "Add")
NONE, RELU, RELU6 = 0, 1, 3  # of the schema
UINT8_ZERO = 128  # a byte of uint8 less so much is one of int8
# What a logistic function's bytes have to stand for.
LOGISTIC = Quantization(np.asarray([1 / 256], np.float32), -128)


class Conversion:
    """A graph under conversion; the emitters of `nastk.deploy.tflite.operators` call its methods.

    Args:
        model: in float32, from `image` to `logits`.
        ranges: of its tensors, for int8; None for float32.
        keep_float: names of layers that compute in float32 all the same.
    """

    def __init__(self, model: onnx.ModelProto, ranges: Ranges | None, keep_float: Collection[str] = ()) -> None:
        self.model, self.ranges = model, ranges
        self.shapes = {name: tuple(shape) for name, shape in activation_shapes(model).items()}
        self.constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.operators: list[Operator] = []
        self._following = following(model) if ranges is not None else {}
        self._float_nodes = {*keep_float, *idle_nodes(model, keep_float)}
        self._known: dict[tuple[str, str], Tensor] = {}
        self._names: Counter[str] = Counter()
        self._fused = self._activations()
        self.absorbed = {activation.name for activation, _ in self._fused.values()}

    # -- what nodes say

    def attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        """Returns a node's attributes by name."""
        return {one.name: helper.get_attribute_value(one) for one in node.attribute}

    def whole_numbers(self, name: str) -> list[int]:
        """Returns a constant that is a list of whole numbers; raises UnsupportedError where it is none."""
        if name not in self.constants:
            raise UnsupportedError(f"{name}: is computed, expected a constant")
        return [int(one) for one in self.constants[name].ravel()]

    def in_int8(self, node: onnx.NodeProto) -> bool:
        """Whether a node computes in int8."""
        return self.ranges is not None and node.name not in self._float_nodes

    def result(self, node: onnx.NodeProto) -> tuple[str, int]:
        """Returns the name of what a node makes, after the activation that it computes too, and that activation."""
        found = self._fused.get(node.name)
        return (str(node.output[0]), NONE) if found is None else (str(found[0].output[0]), found[1])

    def _activations(self) -> dict[str, tuple[onnx.NodeProto, int]]:
        """Returns, by the name of the node that computes it too, each activation and its code."""
        readers = Counter(name for node in self.model.graph.node for name in node.input)
        makers = {node.output[0]: node for node in self.model.graph.node}
        found: dict[str, tuple[onnx.NodeProto, int]] = {}
        for node in self.model.graph.node:
            maker = makers.get(node.input[0])
            code = self.activation(node)
            if code is None or maker is None or maker.op_type not in FUSING:
                continue
            alone = readers[node.input[0]] == 1 and node.input[0] != OUTPUT
            if alone and self.in_int8(node) == self.in_int8(maker):
                found[maker.name] = node, code
        return found

    def activation(self, node: onnx.NodeProto) -> int | None:
        """Returns the schema's code of a node that is an activation which layers compute too; None for others."""
        if node.op_type == "Relu":
            return RELU
        if node.op_type != "Clip":
            return None
        bounds = [float(self.constants[name].item()) for name in node.input[1:] if name in self.constants]
        return RELU6 if bounds == [0.0, 6.0] else None

    # -- tensors

    def quantization(self, name: str) -> Quantization:
        """Returns what the bytes of a tensor are to stand for, by its range."""
        assert self.ranges is not None
        scale, zero = LITERT.scale_and_zero(*self.ranges[self._following.get(name, name)])
        return Quantization(np.asarray([scale], np.float32), int(zero) - UINT8_ZERO)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of an activation in LiteRT."""
        return last(self.shapes[name])

    def read(self, name: str, dtype: str) -> Tensor:
        """Returns an activation or a constant in a type, converted where it is in the other."""
        if name in self.constants:
            return self.constant(name, self.constants[name], dtype)
        if (name, dtype) not in self._known:
            other = self._known[name, FLOAT if dtype == INT8 else INT8]
            kind, known = ("QUANTIZE", self.quantization(name)) if dtype == INT8 else ("DEQUANTIZE", None)
            self._known[name, dtype] = self.add(kind, [other], name, dtype, known)
        return self._known[name, dtype]

    def requantized(self, tensor: Tensor, known: Quantization) -> Tensor:
        """Returns an int8 tensor in other steps, itself where it has them."""
        if known.same(tensor.quantization):
            return tensor
        return self.made("QUANTIZE", [tensor], tensor.name, tensor.shape, INT8, known)

    def constant(self, name: str, value: NDArray[Any], dtype: str) -> Tensor:
        """Enters a constant that stands beside activations, channels last."""
        value = _beside(value)
        if dtype == FLOAT:
            return Tensor(name, value.shape, FLOAT, data=value.astype(np.float32))
        scale, zero = LITERT.scale_and_zero(float(value.min()), float(value.max()))
        bytes_ = np.clip(np.rint(value / float(scale)) + float(zero), 0, 255) - UINT8_ZERO
        known = Quantization(np.asarray([scale], np.float32), int(zero) - UINT8_ZERO)
        return Tensor(name, value.shape, INT8, known, bytes_.astype(np.int8))

    def integers(self, name: str, values: Sequence[Any]) -> Tensor:
        """Enters whole numbers: axes, shapes, paddings."""
        data = np.asarray(values, np.int32)
        return Tensor(name, data.shape, INT32, data=data)

    def add(
        self, kind: str, inputs: Sequence[Tensor], name: str, dtype: str, known: Quantization | None, **options: Any
    ) -> Tensor:
        """Appends an operator that makes the activation `name`, and returns it."""
        made = self.made(kind, inputs, name, self.shape(name), dtype, known, **options)
        self._known[name, dtype] = made
        return made

    def made(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        name: str,
        shape: Sequence[int],
        dtype: str,
        known: Quantization | None,
        **options: Any,
    ) -> Tensor:
        """Appends an operator that makes a tensor of a name of its own, and returns it."""
        self._names[name] += 1
        unique = name if self._names[name] == 1 else f"{name}:{self._names[name]}"
        output = Tensor(unique, tuple(int(one) for one in shape), dtype, known)
        self.operators.append(Operator(kind, tuple(inputs), output, options))
        return output

    # -- ends

    def begin(self, bytes_in: bool) -> Tensor:
        """Enters the image: float32 and channels first, as every file of an export has it, or int8 and last.

        Where a layer in float32 reads it, float32 values reach that layer, unless the image comes as bytes.
        """
        shape = self.shapes[INPUT]
        if bytes_in:
            image = Tensor(INPUT, last(shape), INT8, self.quantization(INPUT))
            self._known[INPUT, INT8] = image
            return image
        image = turned = Tensor(INPUT, shape, FLOAT)
        dtype, known = FLOAT, None
        if all(self.in_int8(node) for node in self.model.graph.node if INPUT in node.input):
            dtype, known = INT8, self.quantization(INPUT)
            turned = self.made("QUANTIZE", [image], f"{INPUT}.int8", shape, INT8, known)
        order = self.integers("channels_last", TO_LAST)
        self._known[INPUT, dtype] = self.made("TRANSPOSE", [turned, order], f"{INPUT}.last", last(shape), dtype, known)
        return image

    def graph(self, image: Tensor, bytes_out: bool) -> Graph:
        """Closes the graph with the logits in float32, or as bytes."""
        return Graph(self.operators, image, self.read(OUTPUT, INT8 if bytes_out else FLOAT))


def last(shape: Sequence[int]) -> tuple[int, ...]:
    """Returns a shape with channels last where it is that of maps."""
    return tuple(shape[axis] for axis in TO_LAST) if len(shape) == 4 else tuple(shape)


def _beside(value: NDArray[Any]) -> NDArray[Any]:
    """Returns a constant as it stands beside maps with channels last."""
    if value.ndim == 4:
        return value.transpose(TO_LAST)
    if value.ndim == 3:
        return value.transpose(1, 2, 0)
    return value.reshape(1) if value.ndim == 0 else value
