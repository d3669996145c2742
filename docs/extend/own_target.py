"""A target of one's own: an accelerator behind ONNX Runtime, with symmetric int8 and few operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nastk.deploy.precision.lint_rules import ONNX_RUNTIME, Rule, zero_points_are_zero
from nastk.deploy.precision.scheme import ARM, Scheme
from nastk.deploy.targets import CpuTarget

DEVICE = Path("/dev/npu0")
OPERATORS = """
    Add AveragePool Concat Conv DequantizeLinear Flatten Gemm GlobalAveragePool Identity LeakyRelu MaxPool Mul Pad
    QuantizeLinear ReduceMean Relu Slice Squeeze Sub
"""


@dataclass(frozen=True)
class NpuTarget(CpuTarget):
    """What is not said here is as on the CPU: the graphs, the quantizer, running and timing them.

    Attributes:
        files: that an export writes, fp32 first.
        scheme: the int8 that it computes, which fine-tuning for int8 imitates.
        rules, operators: what a graph is held to; a node that breaks one is named.
    """

    name: ClassVar[str] = "npu"
    files: ClassVar[Mapping[str, str]] = {"fp32": "model.npu.onnx", "int8": "model.npu.int8.onnx"}
    scheme: ClassVar[Scheme] = ARM
    rules: ClassVar[tuple[Rule, ...]] = (zero_points_are_zero, *ONNX_RUNTIME)
    operators: ClassVar[frozenset[str] | None] = frozenset(OPERATORS.split())

    def cannot_time(self) -> str | None:
        """Returns why a latency that is taken here would not be the target's."""
        return None if DEVICE.exists() else f"target npu: no {DEVICE} here"
