"""Looks at the graph that ONNX Runtime really runs: how much of a network is computed in int8, and what is not."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from nastk.deploy.session import open_session
from nastk.deploy.validate import validate_model

CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")


@dataclass(frozen=True)
class Fusion:
    """What runs how, after ONNX Runtime's optimisation on this machine.

    Attributes:
        convolutions: there are in all.
        in_int8: of them run in int8.
        float_nodes: "operator name" of every node that computes on float32 (conversions at the borders left out).
    """

    convolutions: int
    in_int8: int
    float_nodes: tuple[str, ...]


def int8_share(path: Path) -> Fusion:
    """Says how much of a file runs in int8; raises UserError as `validate_model`."""
    model = _optimised(validate_model(path).data)
    floating = {value.name for value in model.graph.input}
    floating |= {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    convolutions, in_int8, float_nodes = 0, 0, []
    for node in model.graph.node:
        # Those take scales, which are float, among their inputs, but compute on integers.
        integer = node.op_type.startswith(("QLinear", "QGemm", "Quantize"))
        if node.op_type == "DequantizeLinear" or (not integer and node.input[0] in floating):
            floating.update(node.output)
            if node.op_type != "DequantizeLinear":
                float_nodes.append(f"{node.op_type} {node.name}")
        if node.op_type in CONVOLUTIONS:
            convolutions += 1
            in_int8 += node.op_type == "QLinearConv"
    return Fusion(convolutions, in_int8, tuple(float_nodes))


def _optimised(data: bytes) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        open_session(data, optimised=path)
        return onnx.load(path, load_external_data=False)
