"""Looks at the graph that ONNX Runtime really runs: how much of a network is computed in int8, and why not the rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from nastk.deploy.onnx.graph_index import GraphIndex, graph_index
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.optimised import optimised
from nastk.deploy.precision.quantizer import QUANTIZED
from nastk.deploy.precision.scheme import X86

CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")
# ONNX Runtime's own, around convolutions in float.
BETWEEN = "between layers kept in float"
LAYOUTS = ("ReorderInput", "ReorderOutput")
QUICKER = "quicker in float"


@dataclass(frozen=True)
class FloatNode:
    """A node that computes on float32, and why."""

    op: str
    name: str
    reason: str


@dataclass(frozen=True)
class Fusion:
    """What runs how, after ONNX Runtime's optimisation on this machine.

    Attributes:
        convolutions: there are in all.
        in_int8: of them run in int8.
        conversions: of a whole tensor from float to int8 or back.
        float_nodes: all that compute on float32, conversions left out.
    """

    convolutions: int
    in_int8: int
    conversions: int
    float_nodes: tuple[FloatNode, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns what the manifest says of it."""
        return {**asdict(self), "float_nodes": [asdict(node) for node in self.float_nodes], "summary": self.sentence()}

    def sentence(self) -> str:
        """Returns it in a line; nodes in float are counted by reason."""
        if not self.float_nodes:
            rest = "nothing in float"
        else:
            reasons: dict[str, list[str]] = {}
            for node in self.float_nodes:
                reasons.setdefault(node.reason, []).append(node.op)
            parts = (f"{len(ops)} {'/'.join(sorted(set(ops)))} ({reason})" for reason, ops in reasons.items())
            rest = f"in float {', '.join(parts)}"
        return f"{self.in_int8} of {self.convolutions} convolutions in int8, {rest}"


def int8_share(path: Path, signed: bool = False) -> Fusion:
    """Says how much of a file runs in int8.

    Args:
        path: of the file.
        signed: look at what ONNX Runtime makes of it on ARM, not here.

    Raises:
        UserError: as `validate_model`.
    """
    data = validate_model(path).data
    original = graph_index(onnx.ModelProto.FromString(data))
    stems = frozenset() if signed else float_stems(original.model, X86)
    model = optimised(data, signed)
    floating = {value.name for value in model.graph.input}
    floating |= {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    convolutions, in_int8, conversions = 0, 0, 0
    float_nodes: list[FloatNode] = []
    for node in model.graph.node:
        # Those take scales, which are float, among their inputs, but compute on integers.
        integer = node.op_type.startswith(("QLinear", "QGemm", "Quantize"))
        if node.op_type == "DequantizeLinear" or (not integer and node.input[0] in floating):
            floating.update(node.output)
            if node.op_type != "DequantizeLinear":
                reason = _reason(node, original, stems)
                float_nodes.append(FloatNode(node.op_type, node.name, reason))
        conversions += node.op_type in ("QuantizeLinear", "DequantizeLinear")
        if node.op_type in CONVOLUTIONS:
            convolutions += 1
            in_int8 += node.op_type == "QLinearConv"
    return Fusion(convolutions, in_int8, conversions, tuple(float_nodes))


def _reason(node: onnx.NodeProto, original: GraphIndex, stems: Collection[str]) -> str:
    """Returns why a node of the optimised graph computes in float."""
    if node.op_type in LAYOUTS:
        return "layout of a float convolution"
    if not original.is_quantized():
        return "the file is float32"
    name = node.name.removesuffix("_nchwc")  # put there by ONNX Runtime where it changes the layout
    sources = [one for one in original.model.graph.node if set(one.output) & set(node.output) or one.name == name]
    if name in original.kept:
        weighted = node.op_type.endswith("Conv") or node.op_type == "Gemm"
        asked = "kept in float on request" if weighted else BETWEEN
        return QUICKER if name in stems else asked
    if node.op_type.removeprefix("Fused") not in QUANTIZED:
        return "no int8 kernel"
    makers = [original.source(name).op_type for source in sources for name in source.input[:1]]
    if makers and "DequantizeLinear" not in makers:
        return "reads a float tensor"
    return "its result is read in float"
