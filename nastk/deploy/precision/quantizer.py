"""Puts quantize-dequantize pairs into a float32 graph, node by node, and its weights and biases into integers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.graph_index import KEPT_FLOAT, WEIGHTED
from nastk.deploy.precision.int8_forms import Forms
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.precision.shared_scales import SELECTING, following
from nastk.deploy.precision.weight_steps import GREATEST_WEIGHT, in_pairs, weight_steps

COMPUTING = ("Relu", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid")
# Has weights, but no int8 kernel.
UNFUSED = "ConvTranspose"
QUANTIZED = frozenset((*WEIGHTED, *SELECTING, *COMPUTING))
# Weights smaller than this are taken for zero: the product of two scales must not fall out of float32.
LEAST_WEIGHT_SCALE = 1e-16
# A bias is int32 in units of input scale x weight scale; half of the type's range leaves room for the products.
GREATEST_BIAS = 2**30


class Quantizer:
    """Writes one model in int8: `model()` is called once.

    Args:
        forms: the float32 model, rewritten where an operator has no int8 kernel, and its ranges.
        scheme: of the target that will run it.
        kept: names of the layers that compute in float32.
        idle: names of the other nodes that do.
    """

    def __init__(self, forms: Forms, scheme: Scheme, kept: frozenset[str], idle: frozenset[str]) -> None:
        self.source = model = forms.model
        self.ranges = forms.ranges
        self.units = forms.units
        self.scheme = scheme
        self.kept = kept
        self.idle = idle
        self.floats = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.following = following(model, forms.gates) if scheme.between else {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.scales: dict[str, tuple[np.float32, NDArray[Any]]] = {}
        self.dequantized: dict[str, str] = {}

    def model(self) -> onnx.ModelProto:
        """Returns the int8 form; its nodes have the names that they had."""
        wanted = self._wanted_in_int8() - self._clipped_by_relu() - {OUTPUT}
        if INPUT in wanted:
            self._requantize(INPUT)
        for node in self.source.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [self._input(node, index) for index in range(len(node.input))]
            if self.scheme.between and self.scheme.symmetric and self._is_relu_in_int8(node):
                _rewrite_as_leaky(copy)
            self.nodes.append(copy)
            if node.output[0] in wanted:
                self._requantize(node.output[0])
        model = onnx.ModelProto()
        model.CopyFrom(self.source)
        del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
        model.graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input}
        constants = {**self.floats, **self.constants}
        if self.kept:
            model.metadata_props.add(key=KEPT_FLOAT, value=json.dumps(sorted(self.kept | self.idle)))
        model.graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in constants.items() if name in read
        )
        return model

    def _wanted_in_int8(self) -> set[str]:
        """Tensors that an operator with an int8 kernel makes or reads."""
        if self.scheme.between:
            nodes = (node for node in self._nodes_in_int8() if node.op_type in QUANTIZED)
            return {name for node in nodes for name in (*node.input, *node.output)}
        return {name for node in self._nodes_in_int8() for name in self._guarded(node)}

    def _nodes_in_int8(self) -> Iterator[onnx.NodeProto]:
        return (node for node in self.source.graph.node if node.name not in self.kept | self.idle)

    @staticmethod
    def _guarded(node: onnx.NodeProto) -> list[str]:
        """Returns which inputs TensorRT wants a pair on."""
        if node.op_type in WEIGHTED:
            return list(node.input[:1])
        return list(node.input) if node.op_type == "Add" else []

    def _clipped_by_relu(self) -> set[str]:
        """Tensors that only a ReLU reads: quantizing its result, which begins at zero, does the ReLU's work."""
        if self.scheme.symmetric:
            return set()
        ends = self.following
        return {
            node.input[0]
            for node in self.source.graph.node
            if self._is_relu_in_int8(node) and ends.get(node.input[0]) == ends.get(node.output[0], node.output[0])
        }

    def _is_relu_in_int8(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Relu" and node.name not in self.idle

    def _input(self, node: onnx.NodeProto, index: int) -> str:
        name = str(node.input[index])
        if node.name in self.kept or node.op_type == UNFUSED:
            return self._by_channel(node) if index == 0 else name
        if name not in self.floats:
            paired = self.scheme.between or name in self._guarded(node)
            return self.dequantized.get(name, name) if paired else name
        if node.op_type in WEIGHTED and index == 1:
            return self._weight(node)
        if node.op_type in WEIGHTED and index == 2:
            return self._bias(node)
        if node.op_type == "Add" or (self.scheme.between and node.op_type in ("Mul", "Concat")):
            return self._constant(name)
        return name

    def _by_channel(self, node: onnx.NodeProto) -> str:
        """Returns what a node with weights that computes in float reads.

        Between a DequantizeLinear of one scale and a QuantizeLinear, ONNX Runtime would quantize its weights all the
        same, a tensor; so its input is dequantized with as many scales as it has channels, all of them equal.
        """
        name = str(node.input[0])
        if not self.scheme.between or name == INPUT or name not in self.scales:
            return name
        weight, group = self.floats[node.input[1]], _groups(node)
        by_row = node.op_type == "Conv" or any(part.name == "transB" and part.i for part in node.attribute)
        channels = weight.shape[1 if by_row else 0] * (group if by_row else 1)
        scale, zero = self.scales[name]
        output = f"{node.output[0]}.input"
        parameters = self._parameters(output, np.full(channels, scale), np.full(channels, zero))
        self.nodes.append(_node("DequantizeLinear", [f"{name}.{zero.dtype}", *parameters], output, axis=1))
        return output

    def _requantize(self, name: str) -> None:
        """Puts a pair behind a tensor."""
        scale, zero = self.scheme.scale_and_zero(*self.ranges[self.following.get(name, name)])
        written, read = (np.float32(factor) * scale for factor in self.units.get(name, (1, 1)))
        self.scales[name] = read, zero
        quantized, dequantized = f"{name}.{zero.dtype}", f"{name}.dequantized"
        parameters = self._parameters(name, written, zero)
        self.nodes.append(_node("QuantizeLinear", [name, *parameters], quantized))
        if read != written:
            parameters = self._parameters(f"{name}.read", read, zero)
        self.nodes.append(_node("DequantizeLinear", [quantized, *parameters], dequantized))
        self.dequantized[name] = dequantized

    def _parameters(self, name: str, scale: Any, zero: Any) -> list[str]:
        names = [f"{name}.scale", f"{name}.zero"]
        self.constants[names[0]], self.constants[names[1]] = np.asarray(scale), np.asarray(zero)
        return names

    def _weight(self, node: onnx.NodeProto) -> str:
        name = node.input[1]
        output = f"{node.output[0]}.weight.dequantized"
        weight = self.floats[name].astype(np.float64)
        pairs = self.scheme.pairs and in_pairs(weight.shape, _groups(node))
        scale = np.maximum(weight_steps(torch.from_numpy(weight), pairs).numpy().ravel(), LEAST_WEIGHT_SCALE)
        if len(node.input) > 2 and (source := self.scales.get(node.input[0])) is not None:
            # A channel of nearly no weight but some bias: a bias in units that small would not fit into int32.
            scale = np.maximum(scale, np.abs(self.floats[node.input[2]]) / (GREATEST_BIAS * float(source[0])))
        scale = scale.astype(np.float32)
        units = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
        quantized = f"{node.output[0]}.weight.int8"
        self.constants[quantized] = np.clip(units, -GREATEST_WEIGHT, GREATEST_WEIGHT).astype(np.int8)
        parameters = self._parameters(f"{node.output[0]}.weight", scale, np.zeros(len(scale), np.int8))
        self.nodes.append(_node("DequantizeLinear", [quantized, *parameters], output, axis=0))
        return output

    def _bias(self, node: onnx.NodeProto) -> str:
        source = self.scales.get(node.input[0])
        if source is None or not self.scheme.between:
            return str(node.input[2])
        scale = self.constants[f"{node.output[0]}.weight.scale"] * source[0]
        quantized, output = f"{node.output[0]}.bias.int32", f"{node.output[0]}.bias.dequantized"
        units = np.rint(self.floats[node.input[2]].astype(np.float64) / scale)
        self.constants[quantized] = units.astype(np.int32)
        parameters = self._parameters(f"{node.output[0]}.bias", scale, np.zeros(len(scale), np.int32))
        self.nodes.append(_node("DequantizeLinear", [quantized, *parameters], output, axis=0))
        return output

    def _constant(self, name: str) -> str:
        if name not in self.dequantized:
            value = self.floats[name]
            scale, zero = self.scheme.scale_and_zero(float(value.min()), float(value.max()))
            quantized, output = f"{name}.{zero.dtype}", f"{name}.dequantized"
            bounds = np.iinfo(zero.dtype)
            units = np.rint(value / scale) + float(zero)
            self.constants[quantized] = np.clip(units, bounds.min, bounds.max).astype(zero.dtype)
            parameters = self._parameters(name, scale, zero)
            self.nodes.append(_node("DequantizeLinear", [quantized, *parameters], output))
            self.dequantized[name] = output
        return self.dequantized[name]


def _groups(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


def _rewrite_as_leaky(node: onnx.NodeProto) -> None:
    """Makes a ReLU a leaky one of slope 0, the same function: ONNX Runtime has an int8 kernel for that alone."""
    node.op_type = "LeakyRelu"
    node.attribute.append(helper.make_attribute("alpha", 0.0))


def _node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [output], name=output, **attributes)
