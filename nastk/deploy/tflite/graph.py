"""A LiteRT graph as values, and the flatbuffer of it. Only here is the schema's generated code used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"
# The schema's table of options of each operator, "" for none, and the version from which on it knows int8.
KINDS: Mapping[str, tuple[str, int]] = {
    "ADD": ("AddOptions", 2),
    "AVERAGE_POOL_2D": ("Pool2DOptions", 2),
    "BROADCAST_TO": ("BroadcastToOptions", 3),
    "CONCATENATION": ("ConcatenationOptions", 2),
    "CONV_2D": ("Conv2DOptions", 3),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 3),
    "DEQUANTIZE": ("DequantizeOptions", 2),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 4),
    "GATHER": ("GatherOptions", 2),
    "GELU": ("GeluOptions", 1),
    "HARD_SWISH": ("HardSwishOptions", 1),
    "LOGISTIC": ("", 2),
    "MAX_POOL_2D": ("Pool2DOptions", 2),
    "MEAN": ("ReducerOptions", 2),
    "MUL": ("MulOptions", 2),
    "PAD": ("PadOptions", 2),
    "PADV2": ("PadV2Options", 2),
    "QUANTIZE": ("QuantizeOptions", 1),
    "RELU": ("", 2),
    "RELU6": ("", 2),
    "RESHAPE": ("ReshapeOptions", 1),
    "STRIDED_SLICE": ("StridedSliceOptions", 2),
    "SUB": ("SubOptions", 2),
    "TRANSPOSE": ("TransposeOptions", 2),
}
TYPES = {"float32": "FLOAT32", "int8": "INT8", "int32": "INT32"}


@dataclass(frozen=True)
class Quantization:
    """What bytes stand for: scale x (byte - zero); a weight has a scale for each channel, along `axis`."""

    scale: NDArray[np.float32]
    zero: int = 0
    axis: int = 0

    def same(self, other: Quantization | None) -> bool:
        """Whether bytes stand for the same numbers."""
        return other is not None and self.zero == other.zero and np.array_equal(self.scale, other.scale)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: of one image, channels last where it has four dimensions; with `data` it is a constant.

    Attributes:
        name: for people.
        shape: with the batch, which is 1.
        dtype: "float32", "int8" or "int32".
        quantization: of int8, and of an int32 bias.
        data: of a constant.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator: its name in the schema, what it reads and makes, and its options by the schema's names."""

    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """Operators in the order in which they run, from one input to one output."""

    operators: Sequence[Operator]
    input: Tensor
    output: Tensor


def serialise(graph: Graph, description: str) -> bytes:
    """Returns the flatbuffer; equal graphs give equal bytes."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tensors = list(dict.fromkeys([graph.input, *(one for op in graph.operators for one in (*op.inputs, op.output))]))
    places = {tensor: place for place, tensor in enumerate(tensors)}
    kinds = sorted({op.kind for op in graph.operators})
    model = schema.ModelT()
    model.version, model.description = SCHEMA_VERSION, description
    model.buffers = [schema.BufferT()]  # the empty one, of all tensors that are no constants
    model.operatorCodes = [_code(schema, kind) for kind in kinds]
    sub = schema.SubGraphT()
    sub.name = "main"
    sub.tensors = [_tensor(schema, tensor, model.buffers) for tensor in tensors]
    sub.inputs, sub.outputs = [places[graph.input]], [places[graph.output]]
    sub.operators = [_operator(schema, op, kinds.index(op.kind), places) for op in graph.operators]
    model.subgraphs = [sub]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _code(schema: Any, kind: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = KINDS[kind][1]
    return code


def _tensor(schema: Any, tensor: Tensor, buffers: list[Any]) -> Any:
    made = schema.TensorT()
    made.name, made.shape = tensor.name, np.asarray(tensor.shape, np.int32)
    made.type = getattr(schema.TensorType, TYPES[tensor.dtype])
    if tensor.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)
        made.buffer = len(buffers)
        buffers.append(buffer)
    if tensor.quantization is not None:
        known = tensor.quantization
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = known.scale
        made.quantization.zeroPoint = np.full(len(known.scale), known.zero, np.int64)
        made.quantization.quantizedDimension = known.axis
    return made


def _operator(schema: Any, op: Operator, code: int, places: Mapping[Tensor, int]) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex = code
    made.inputs = np.asarray([places[tensor] for tensor in op.inputs], np.int32)
    made.outputs = np.asarray([places[op.output]], np.int32)
    name = KINDS[op.kind][0]
    if name:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        made.builtinOptions = getattr(schema, f"{name}T")()
        for field_name, value in op.options.items():
            setattr(made.builtinOptions, field_name, value)
    return made
