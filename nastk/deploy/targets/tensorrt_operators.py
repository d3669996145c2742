"""The operators that TensorRT's ONNX parser reads: types and restrictions, by version.

From docs/operators.md of onnx/onnx-tensorrt, at the commits that NVIDIA/TensorRT names as its parser: 10.16 (tag
v10.16) at 6bde6596eca84abf9afe9b4d21c18c32800fd3ad, 11.1 (tag v11.1) at 7c51a63a719180eb5160c874c111746f3fb46a6b. Taken
down are the operators that networks of images are made of; one that is missing here counts as one that TensorRT lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VERSIONS = "10.16", "11.1"
# The opsets that the tables of both are for.
OPSETS = 9, 24
# ONNX's names of the types that a letter below stands for: floating, integer, boolean, quantized, and whatever an
# output of Cast may also be.
TYPES: Mapping[str, frozenset[str]] = {
    "F": frozenset({"FLOAT", "FLOAT16", "BFLOAT16"}),
    "H": frozenset({"FLOAT", "FLOAT16"}),
    "I": frozenset({"INT32", "INT64"}),
    "B": frozenset({"BOOL"}),
    "Q": frozenset({"INT8", "FLOAT8E4M3FN", "FLOAT4E2M1", "INT4"}),
    "C": frozenset({"FLOAT8E4M3FN", "FLOAT4E2M1", "INT4"}),
    "8": frozenset({"INT8"}),
    "U": frozenset({"UINT8"}),
}
# What they may read, names, restrictions (`tensorrt_restrictions`), and `since` which version, if not the first.
_ROWS = """
F     Acos Asin Atan BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Elu Erf Exp Floor Gemm GlobalAveragePool
F     GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish InstanceNormalization IsInf LRN LeakyRelu Log
F     LogSoftmax LpNormalization MatMul MeanVarianceNormalization PRelu Reciprocal Round Selu Sigmoid Sin Softmax
F     Softplus Softsign Sqrt Tan Tanh ThresholdedRelu
H     Mish
FI    Abs Add DepthToSpace Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Neg Pad Pow Relu Sign
FI    SpaceToDepth Sub Sum
FI8   Gelu
FIB   Concat Expand Flatten Gather GatherElements GatherND Identity Reshape Shape Size Slice Split Tile Transpose Trilu
FIB   Where
FIBU  Cast
FIBC  ConstantOfShape
B     And Not Or Xor
F     AveragePool: flat_pooling, undilated
F     MaxPool: flat_pooling, undilated, one_output
F     LayerNormalization: one_output
F     QuantizeLinear: zero_point_is_zero
Q     DequantizeLinear: zero_point_is_zero
FIBC  Constant: plain_constant
FI    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd: axes_are_initializer
FI    ReduceSum ReduceSumSquare: axes_are_initializer
F     Resize: known_resize
FIB   Squeeze Unsqueeze: axes_are_constant
F     Swish since 11.1
"""


@dataclass(frozen=True)
class Operator:
    """What TensorRT reads of an operator.

    Attributes:
        types: ONNX's names of those that its data may have.
        restrictions: names in `tensorrt_restrictions.RESTRICTIONS`.
        versions: of TensorRT, that have it.
    """

    types: frozenset[str]
    restrictions: tuple[str, ...]
    versions: tuple[str, ...]


def _read(rows: str) -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for row in rows.strip().splitlines():
        letters, rest = row.split(maxsplit=1)
        rest, _, since = rest.partition(" since ")
        names, _, restrictions = rest.partition(":")
        types = frozenset[str]().union(*(TYPES[letter] for letter in letters))
        versions = VERSIONS[VERSIONS.index(since) :] if since else VERSIONS
        rules = tuple(name.strip() for name in restrictions.split(",") if name.strip())
        found |= {name: Operator(types, rules, versions) for name in names.split()}
    return found


OPERATORS: Mapping[str, Operator] = _read(_ROWS)
