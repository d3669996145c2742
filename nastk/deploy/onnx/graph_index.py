"""A model as its checks look at it: who makes a tensor, who reads it, what is constant, where a node stands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from nastk.errors import UserError
from nastk.outside import parse_json, shortened

WEIGHTED = ("Conv", "Gemm")
# Under this key a model's metadata name, as a JSON list, the nodes that were left in float32 on request or for their
# speed, and those between them.
KEPT_FLOAT = "kept_float"
_EDGE, _CELL = re.compile(r"stages[._](\d+)[._]edges[._](\d+)"), re.compile(r"stages[._](\d+)")


@dataclass(frozen=True, eq=False)
class GraphIndex:
    """A model with its wiring.

    Attributes:
        model: itself.
        made: the node that makes each tensor.
        readers: the nodes that read each tensor.
        constants: its initializers.
        kept: names of the nodes that were left in float32 on request or for their speed, and of those between them.
    """

    model: onnx.ModelProto
    made: Mapping[str, onnx.NodeProto]
    readers: Mapping[str, Sequence[onnx.NodeProto]]
    constants: Mapping[str, NDArray[Any]]
    kept: frozenset[str]

    def source(self, name: str) -> onnx.NodeProto:
        """Returns the node that makes a tensor, an empty one for a constant and for the image."""
        return self.made.get(name, onnx.NodeProto())

    def is_quantized(self) -> bool:
        """Returns whether anything of it is int8."""
        return any(node.op_type == "DequantizeLinear" for node in self.model.graph.node)


def graph_index(model: onnx.ModelProto) -> GraphIndex:
    """Returns the wiring of a model."""
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    kept = next((prop.value for prop in model.metadata_props if prop.key == KEPT_FLOAT), "[]")
    return GraphIndex(
        model,
        {name: node for node in model.graph.node for name in node.output},
        readers,
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer},
        _names(kept),
    )


def _names(text: str) -> frozenset[str]:
    """Returns the names in metadata of a file that may be anybody's."""
    found = parse_json(text, f"ONNX metadata {KEPT_FLOAT}")
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UserError(f"ONNX metadata {KEPT_FLOAT}: {shortened(found)}, expected a list of names of nodes")
    return frozenset(found)


def described(node: onnx.NodeProto) -> str:
    """Returns a node's operator and name, and the cell and edge that it is of where its name or origin tells."""
    scopes = (prop.value for prop in node.metadata_props if prop.key == "pkg.torch.onnx.name_scopes")
    text = " ".join((node.name, *node.output, *scopes))
    edge, cell = _EDGE.search(text), _CELL.search(text)
    place = f" (cell {edge[1]}, edge {edge[2]})" if edge else f" (cell {cell[1]})" if cell else ""
    return f"{node.op_type} node {node.name!r}{place}"
