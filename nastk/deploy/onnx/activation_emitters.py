"""How activations of later networks are written as ONNX nodes: ReLU6 and GELU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from nastk.deploy.onnx.emitting import Call, UnsupportedError, Value, emits

APPROXIMATIONS = ("none", "tanh")


@emits(nn.ReLU6, F.relu6)
def _relu6(call: Call, input: Value, inplace: bool = False) -> Value:
    return call.node("Clip", input, call.floats(0.0, "least"), call.floats(6.0, "most"))


@emits(nn.GELU)
def _gelu_module(call: Call, x: Value) -> Value:
    return _gelu(call, x, call.module.approximate)


@emits(F.gelu)
def _gelu(call: Call, input: Value, approximate: str = "none") -> Value:
    if approximate not in APPROXIMATIONS:
        raise UnsupportedError(f"GELU approximated by {approximate!r}")
    return call.node("Gelu", input, approximate=approximate)
