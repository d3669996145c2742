"""Runs an ONNX graph in torch, on any device that torch has and in the graph's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.torch_ops import TORCH_OPS, TorchOp, attributes_of, padded
from nastk.errors import UserError

TYPES = {onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.FLOAT16: torch.float16}


def _conv(inputs: Sequence[Tensor], how: Mapping[str, Any]) -> Tensor:
    pads = how.get("pads", [0, 0, 0, 0])
    even = pads[:2] == pads[2:]
    x = inputs[0] if even else padded(inputs[0], pads)
    stride, dilation = how.get("strides", [1, 1]), how.get("dilations", [1, 1])
    bias = inputs[2] if len(inputs) > 2 else None
    return F.conv2d(x, inputs[1], bias, stride, pads[:2] if even else 0, dilation, how.get("group", 1))


def _gemm(inputs: Sequence[Tensor], how: Mapping[str, Any]) -> Tensor:
    weight = inputs[1] if how.get("transB") else inputs[1].t()
    return F.linear(inputs[0], weight, inputs[2] if len(inputs) > 2 else None)


def _clip(inputs: Sequence[Tensor], how: Mapping[str, Any]) -> Tensor:
    # The bounds lie on the CPU, the tensor need not.
    return torch.clamp(inputs[0], *(float(bound) if bound.numel() else None for bound in inputs[1:]))


OPS: dict[str, TorchOp] = {
    **TORCH_OPS,
    "Cast": lambda inputs, how: inputs[0].to(TYPES[how["to"]]),
    "Clip": _clip,
    "Conv": _conv,
    "Gemm": _gemm,
}


class TorchGraph(nn.Module):
    """The function of an ONNX graph in float32 or float16.

    Args:
        model: from `image` to `logits`.
        device: where it is computed; the input must lie there.

    Shapes: normalised images (N, C, H, W) to logits (N, classes), both float32.

    Raises:
        UserError: an operator that there is no torch function for.
    """

    def __init__(self, model: onnx.ModelProto, device: str) -> None:
        super().__init__()
        for node in model.graph.node:
            if node.op_type not in OPS:
                raise UserError(f"target cuda: node {node.name!r} is a {node.op_type}, which has no function in torch")
        self._nodes = [
            (OPS[node.op_type], tuple(node.input), node.output[0], attributes_of(node)) for node in model.graph.node
        ]
        self._constants: dict[str, Tensor] = {}
        for tensor in model.graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            # Sizes, axes and single numbers are read by the CPU; from the GPU it would wait for them at every run.
            on_device = value.is_floating_point() and value.ndim > 0
            self._constants[tensor.name] = value.to(device) if on_device else value

    @torch.inference_mode()
    def forward(self, image: Tensor) -> Tensor:
        values = {INPUT: image, **self._constants}
        for function, inputs, output, how in self._nodes:
            values[output] = function([values[name] for name in inputs if name], how)
        return values[OUTPUT]
