"""Checks that a graph keeps the rules of the target that will run it, and names the node that breaks one."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Protocol

import onnx

from nastk.deploy.onnx.graph_index import GraphIndex, described, graph_index
from nastk.deploy.precision.lint_rules import Rule
from nastk.errors import UserError

# Per-channel DequantizeLinear came with the first; TensorRT 10 reads no newer than the second, nor do older ONNX
# Runtimes on devices.
OPSETS = 13, 20


class Linted(Protocol):
    """A target, as far as graphs are checked for it; see `nastk.deploy.targets.Target`."""

    @property
    def name(self) -> str: ...
    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def graph_rules(self) -> tuple[Rule, ...]: ...
    @property
    def operators(self) -> frozenset[str] | None: ...


def lint(model: onnx.ModelProto, target: Linted) -> None:
    """Checks a graph, in whatever precision, before it is written.

    Args:
        model: about to be written; nodes that were kept in float32 are exempt from the rules of int8.
        target: that it is written for.

    Raises:
        UserError: the first node that breaks a rule, which one, and in which cell and edge it lies.
    """
    graph = graph_index(model)
    _check_opset(model, target)
    _check_operators(model, target)
    if graph.is_quantized():
        _check_rules(graph, target.rules, f"int8 for target {target.name}")
    _check_rules(graph, target.graph_rules, f"target {target.name}")


def _check_rules(graph: GraphIndex, rules: Iterable[Rule], of: str) -> None:
    for rule in rules:
        for node, breach in rule(graph):
            raise UserError(f"{of}: {described(node)}: {breach}")


def _check_opset(model: onnx.ModelProto, target: Linted) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    least, most = OPSETS
    if not least <= opset <= most:
        raise UserError(f"target {target.name}: a graph of opset {opset}, expected {least} to {most}")


def _check_operators(model: onnx.ModelProto, target: Linted) -> None:
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or not _is_supported(node.op_type, target.operators):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise UserError(f"target {target.name}: {described(node)}: it has no operator {name}")


def _is_supported(operator: str, operators: frozenset[str] | None) -> bool:
    if operators is not None:
        return operator in operators
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
