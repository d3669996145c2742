"""ONNX operators as differentiable torch functions: those of the graphs that nastk writes, the weighted ones apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor

Attributes = Mapping[str, Any]
TorchOp = Callable[[Sequence[Tensor], Attributes], Tensor]


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Returns a node's attributes as numbers, strings (bytes) and lists of them."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def padded(x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """Pads height and width; `pads` as ONNX lists them: top, left, bottom, right."""
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _average_pool(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, pads = inputs[0], how.get("pads", [0, 0, 0, 0])
    kernel, stride = how["kernel_shape"], how.get("strides", [1, 1])
    if how.get("ceil_mode"):
        return F.avg_pool2d(x, kernel, stride, ceil_mode=True, count_include_pad=False)
    if how.get("count_include_pad") or not any(pads):
        return F.avg_pool2d(padded(x, pads), kernel, stride)
    if pads[:2] == pads[2:]:
        return F.avg_pool2d(x, kernel, stride, pads[:2], count_include_pad=False)
    counted = F.avg_pool2d(padded(torch.ones_like(x[:1, :1]), pads), kernel, stride)
    return F.avg_pool2d(padded(x, pads), kernel, stride) / counted


def _max_pool(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x = padded(inputs[0], how.get("pads", [0, 0, 0, 0]), value=-math.inf)
    stride, dilation = how.get("strides", [1, 1]), how.get("dilations", [1, 1])
    return F.max_pool2d(x, how["kernel_shape"], stride, 0, dilation, bool(how.get("ceil_mode")))


def _clip(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    bounds = [part if part.numel() else None for part in inputs[1:]]
    return torch.clamp(inputs[0], *bounds)


def _pad(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, pads = inputs[0], inputs[1].tolist()
    # ONNX lists all beginnings, then all ends; torch the last dimension first.
    pairs = [pads[axis + end * x.ndim] for axis in reversed(range(x.ndim)) for end in (0, 1)]
    return F.pad(x, pairs, value=float(inputs[2]) if len(inputs) > 2 else 0.0)


def _slice(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, starts, ends = inputs[0], inputs[1].tolist(), inputs[2].tolist()
    axes = inputs[3].tolist() if len(inputs) > 3 else range(len(starts))
    steps = inputs[4].tolist() if len(inputs) > 4 else [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return x[tuple(cuts)]


def _expand(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    return inputs[0] * torch.ones(inputs[1].tolist(), dtype=inputs[0].dtype, device=inputs[0].device)


def _reshape(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, shape = inputs[0], inputs[1].tolist()
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


def _gelu(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    return F.gelu(inputs[0], approximate=how.get("approximate", b"none").decode())


def _layer_norm(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, weight, *bias = inputs
    return F.layer_norm(x, x.shape[how.get("axis", -1) :], weight, bias[0] if bias else None, how["epsilon"])


def _instance_norm(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    return F.instance_norm(inputs[0], weight=inputs[1], bias=inputs[2], eps=how["epsilon"])


def _resize(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    """Takes the number of pixels or the factors, whichever is the last input: names of empty ones are left out."""
    x, last = inputs[0], inputs[-1].tolist()
    size = last if "axes" in how else [round(side * factor) for side, factor in zip(x.shape[2:], last[2:], strict=True)]
    if how["mode"] == b"nearest":
        return F.interpolate(x, size, mode="nearest")
    corners = how["coordinate_transformation_mode"] == b"align_corners"
    return F.interpolate(x, size, mode="bilinear", align_corners=corners)


def _transposed(inputs: Sequence[Tensor], how: Attributes) -> Tensor:
    x, weight, *bias = inputs
    steps = how["strides"], how["pads"][:2], how["output_padding"]
    return F.conv_transpose2d(x, weight, bias[0] if bias else None, *steps, how["group"], how["dilations"])


TORCH_OPS: dict[str, TorchOp] = {
    "Add": lambda inputs, how: inputs[0] + inputs[1],
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda inputs, how: torch.cat(list(inputs), how["axis"]),
    "ConvTranspose": _transposed,
    "DepthToSpace": lambda inputs, how: F.pixel_shuffle(inputs[0], how["blocksize"]),
    "Div": lambda inputs, how: inputs[0] / inputs[1],
    "Expand": _expand,
    "Flatten": lambda inputs, how: inputs[0].flatten(how.get("axis", 1)),
    "Gather": lambda inputs, how: inputs[0].index_select(how.get("axis", 0), inputs[1].to(inputs[0].device)),
    "Gelu": _gelu,
    "GlobalAveragePool": lambda inputs, how: inputs[0].mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda inputs, how: inputs[0].amax((2, 3), keepdim=True),
    "HardSigmoid": lambda inputs, how: torch.clamp(inputs[0] * how["alpha"] + how["beta"], 0, 1),
    "HardSwish": lambda inputs, how: F.hardswish(inputs[0]),
    "Identity": lambda inputs, how: inputs[0],
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda inputs, how: F.leaky_relu(inputs[0], how.get("alpha", 0.01)),
    "MaxPool": _max_pool,
    "Mul": lambda inputs, how: inputs[0] * inputs[1],
    "Pad": _pad,
    "Relu": lambda inputs, how: torch.relu(inputs[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda inputs, how: torch.sigmoid(inputs[0]),
    "Slice": _slice,
    "Sub": lambda inputs, how: inputs[0] - inputs[1],
    "Transpose": lambda inputs, how: inputs[0].permute(how["perm"]),
}
