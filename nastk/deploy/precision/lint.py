"""Checks that a graph keeps the rules of the target that will run it, and names the node that breaks one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import onnx

from nastk.deploy.onnx.inspected import Inspected, described, inspected
from nastk.deploy.precision import lint_rules as rules
from nastk.errors import UserError, unknown

# Per-channel DequantizeLinear came with the first; TensorRT 10 reads no newer than the second, nor do older ONNX
# Runtimes on devices.
OPSETS = 13, 20
# Of TensorRT's support matrix (onnx-tensorrt, docs/operators.md), what networks of images are made of.
_TENSORRT_MATRIX = """
    Abs Add AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose
    DepthToSpace DequantizeLinear Div Elu Erf Exp Expand Flatten Floor Gather Gemm GlobalAveragePool GlobalMaxPool
    HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax MatMul Max
    MaxPool Mean Min Mul Neg PRelu Pad Pow QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize
    Selu Shape Sigmoid Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose
    Unsqueeze Where
"""
TENSORRT_OPERATORS = frozenset(_TENSORRT_MATRIX.split())
_ONNX_RUNTIME = (
    rules.weighted_inputs_are_converted,
    rules.weights_are_int8_a_channel,
    rules.biases_are_int32,
    rules.nothing_leaves_int8,
)
RULES: dict[str, tuple[Callable[[Inspected], Iterator[rules.Breach]], ...]] = {
    "cpu": (rules.activations_are_uint8, *_ONNX_RUNTIME),
    "arm": (rules.zero_points_are_zero, *_ONNX_RUNTIME),
    "tensorrt": (
        rules.zero_points_are_zero,
        rules.weighted_inputs_are_converted,
        rules.weights_are_int8_a_channel,
        rules.biases_are_float,
        rules.additions_are_converted,
        rules.only_these_are_converted,
    ),
    "cuda": (),  # it has no int8
}


def lint(model: onnx.ModelProto, target: str) -> None:
    """Checks a graph, in int8 or in float32, before it is written.

    Args:
        model: about to be written; nodes that were kept in float32 on request are exempt from the rules of int8.
        target: "cpu", "arm", "tensorrt" or "cuda".

    Raises:
        UserError: the first node that breaks a rule, which one, and in which cell and edge it lies.
    """
    if target not in RULES:
        raise unknown("target to lint for", target, RULES)
    graph = inspected(model)
    _check_opset(model, target)
    _check_operators(model, target)
    if not graph.is_quantized():
        return
    for rule in RULES[target]:
        for node, breach in rule(graph):
            raise UserError(f"int8 for target {target}: {described(node)}: {breach}")


def _check_opset(model: onnx.ModelProto, target: str) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    least, most = OPSETS
    if not least <= opset <= most:
        raise UserError(f"target {target}: a graph of opset {opset}, expected {least} to {most}")


def _check_operators(model: onnx.ModelProto, target: str) -> None:
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or not _is_supported(node.op_type, target):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise UserError(f"target {target}: {described(node)}: it has no operator {name}")


def _is_supported(operator: str, target: str) -> bool:
    if target == "tensorrt":
        return operator in TENSORRT_OPERATORS
    return operator in _cpu_kernels() or _is_composed(operator)


def _is_composed(operator: str) -> bool:
    """Returns whether ONNX defines an operator by others, which ONNX Runtime then puts in its place."""
    return onnx.defs.has(operator) and bool(onnx.defs.get_schema(operator).has_function)  # type: ignore[attr-defined]


@functools.cache
def _cpu_kernels() -> frozenset[str]:
    """Returns what this ONNX Runtime computes on a CPU: the same on ARM, and beside a GPU what has no kernel there."""
    from onnxruntime.capi import onnxruntime_pybind11_state as library

    kernels = library.get_all_opkernel_def()
    return frozenset(kernel.op_name for kernel in kernels if kernel.provider == "CPUExecutionProvider")
