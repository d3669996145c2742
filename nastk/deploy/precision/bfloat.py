"""Keeps the weights of a float32 graph in bfloat16: half the bytes, for processors that compute in bfloat16 anyway."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from nastk.deploy.onnx.graph_index import WEIGHTED

SUFFIX = ".bfloat16"
READERS = (*WEIGHTED, "ConvTranspose", "MatMul")


def bfloat_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model with the weights of its layers in bfloat16, each cast to float32 where it is read.

    A runtime that computes in bfloat16 rounds float32 weights likewise (to nearest, ties to even), so that it answers
    the same; one that does not computes in float32 with rounded weights. Biases stay float32.

    Args:
        model: in float32; left as it is.
    """
    read = {node.input[1] for node in model.graph.node if node.op_type in READERS}
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    casts = []
    for tensor in kept.graph.initializer:
        if tensor.name in read and tensor.data_type == TensorProto.FLOAT:
            name = tensor.name
            casts.append(helper.make_node("Cast", [name + SUFFIX], [name], name=name + SUFFIX, to=TensorProto.FLOAT))
            tensor.CopyFrom(_rounded(tensor))
    nodes = list(kept.graph.node)
    del kept.graph.node[:], kept.graph.value_info[:]
    kept.graph.node.extend([*casts, *nodes])
    return kept


def _rounded(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = torch.from_numpy(np.array(numpy_helper.to_array(tensor))).to(torch.bfloat16)
    raw = values.view(torch.int16).numpy().astype("<i2").tobytes()
    return helper.make_tensor(tensor.name + SUFFIX, TensorProto.BFLOAT16, tensor.dims, raw, raw=True)
