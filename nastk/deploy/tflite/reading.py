"""Reads a LiteRT file back as a graph, as far as its memory is concerned: what is read, made, and how large it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from nastk.deploy.tflite.graph import TYPES, Graph, Operator, Quantization, Tensor


def read_graph(data: bytes) -> Graph:
    """Returns the graph of a file that `serialise` wrote, without the options of its operators.

    Raises:
        KeyError: a type of tensor that nastk does not write.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    dtypes = {getattr(schema.TensorType, name): dtype for dtype, name in TYPES.items()}
    kinds = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    sub = model.subgraphs[0]
    tensors = [_tensor(one, dtypes[one.type], model.buffers[one.buffer].data) for one in sub.tensors]
    operators = [
        Operator(
            kinds[model.operatorCodes[op.opcodeIndex].builtinCode],
            tuple(tensors[place] for place in op.inputs),
            tensors[op.outputs[0]],
        )
        for op in sub.operators
    ]
    return Graph(operators, tensors[sub.inputs[0]], tensors[sub.outputs[0]])


def _tensor(stored: Any, dtype: str, data: Any) -> Tensor:
    known, shape = None, tuple(int(one) for one in stored.shape)
    if stored.quantization is not None and stored.quantization.scale is not None:
        found = stored.quantization
        scale = np.asarray(found.scale, np.float32)
        known = Quantization(scale, int(found.zeroPoint[0]), int(found.quantizedDimension))
    constant = None if data is None else np.frombuffer(bytes(data), dtype).reshape(shape)
    return Tensor(stored.name.decode(), shape, dtype, known, constant)
