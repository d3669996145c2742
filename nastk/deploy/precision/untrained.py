"""The graph of an untrained network in the precision that it would be deployed in: as fast, with assumed ranges."""

from __future__ import annotations

import onnx

from nastk.deploy.precision.bfloat import bfloat_weights
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import Scheme


def in_precision(model: onnx.ModelProto, precision: str, scheme: Scheme) -> onnx.ModelProto:
    """Returns a float32 graph in a precision.

    As it is for "fp32", in half floats for "fp16", with weights in bfloat16 for "bf16", in the scheme's int8 for
    "int8".
    """
    if precision == "bf16":
        return bfloat_weights(model)
    if precision == "int8":
        return quantized_model(model, assumed_ranges(model), scheme)
    return half_model(model, assumed_ranges(model)) if precision == "fp16" else model
