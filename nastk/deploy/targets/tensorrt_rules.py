"""What TensorRT reads: its operators, and the rules that its int8 graphs keep."""

from __future__ import annotations

from nastk.deploy.precision import lint_rules as rules

# Of TensorRT's support matrix (onnx-tensorrt, docs/operators.md), what networks of images are made of.
_MATRIX = """
    Abs Add AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose
    DepthToSpace DequantizeLinear Div Elu Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool
    GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log
    LogSoftmax MatMul Max
    MaxPool Mean Min Mul Neg PRelu Pad Pow QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize
    Selu Shape Sigmoid Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose
    Unsqueeze Where
"""
OPERATORS = frozenset(_MATRIX.split())
RULES: tuple[rules.Rule, ...] = (
    rules.zero_points_are_zero,
    rules.weighted_inputs_are_converted,
    rules.weights_are_int8_a_channel,
    rules.biases_are_float,
    rules.additions_are_converted,
    rules.only_these_are_converted,
)
