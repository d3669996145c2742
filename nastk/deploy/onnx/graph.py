"""Builds an ONNX graph node by node: equal nodes are written once, dead ones not at all, names and bytes are stable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nastk.deploy.onnx.shapes import inferred_graph

OPSET = 20
# The oldest that opset 20 needs no more than: newer numbers only lock out older runtimes.
IR_VERSION = 9
INPUT, OUTPUT = "image", "logits"


class GraphBuilder:
    """An ONNX graph under construction, from one input `image` to outputs of given names, with a free batch size.

    Attributes:
        call: what is being written, for `calls`.
        calls: what was being written as each node was added, by the node's name.
    """

    def __init__(self, outputs: Sequence[str] = (OUTPUT,)) -> None:
        self.call = ""
        self.calls: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._known: dict[tuple[object, ...], str] = {}
        self._names: set[str] = {INPUT, *outputs}
        self._rectified: set[str] = set()

    def constant(self, value: NDArray[Any], name: str) -> str:
        """Enters an array (float32 or int64) under a name of its own; equal small arrays share one entry."""
        value = np.ascontiguousarray(value)
        key = ("constant", value.dtype.str, value.shape, value.tobytes()) if value.size <= 16 else None
        if key is not None and key in self._known:
            return self._known[key]
        unique = self._unique(name)
        self._constants[unique] = value
        if key is not None:
            self._known[key] = unique
        return unique

    def add(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Appends a node and returns its output's name, or that of an equal node which is there already.

        A ReLU of a ReLU is no node of its own.
        """
        if op == "Relu" and inputs[0] in self._rectified:
            return inputs[0]
        key = (op, *inputs, *((key, repr(value)) for key, value in sorted(attributes.items())))
        if key in self._known:
            return self._known[key]
        output = self._unique(name)
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        self.calls[output] = self.call
        self._known[key] = output
        if op == "Relu":
            self._rectified.add(output)
        return output

    def model(
        self, outputs: Mapping[str, tuple[str, int]], shape: Sequence[int], metadata: Mapping[str, str], producer: str
    ) -> onnx.ModelProto:
        """Closes the graph.

        Args:
            outputs: by its public name, the name that `add` gave for what becomes it, each once, and its dimensions.
            shape: of one image, (C, H, W).
            metadata: goes into the file as text pairs.
            producer: version of nastk.
        """
        public = {made: name for name, (made, _) in outputs.items()}
        nodes = self._reachable(public)
        for node in nodes:
            # The last node carries the public name, so that no Identity is needed only to rename.
            node.output[:] = [public.get(name, name) for name in node.output]
            node.input[:] = [public.get(name, name) for name in node.input]
        read = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "nastk",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *shape])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *[None] * (rank - 1)])
                for name, (_, rank) in outputs.items()
            ],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items() if name in read],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="nastk",
            producer_version=producer,
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))
        for output, known in zip(model.graph.output, inferred_graph(model).output, strict=True):
            output.CopyFrom(known)
        return model

    def _reachable(self, outputs: Iterable[str]) -> list[onnx.NodeProto]:
        needed, kept = set(outputs), []
        for node in reversed(self._nodes):
            if node.output[0] in needed:
                needed.update(node.input)
                kept.append(node)
        return kept[::-1]

    def _unique(self, name: str) -> str:
        unique, count = name, 1
        while unique in self._names:
            unique, count = f"{name}_{count}", count + 1
        self._names.add(unique)
        return unique
