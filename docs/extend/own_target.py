"""A target of one's own: an accelerator behind ONNX Runtime, with symmetric int8 and few operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nastk.deploy.targets import ArmTarget

DEVICE = Path("/dev/npu0")
OPERATORS = """
    Add AveragePool Concat Conv DequantizeLinear Flatten Gemm GlobalAveragePool Identity LeakyRelu MaxPool Mul Pad
    QuantizeLinear ReduceMean Relu Slice Squeeze Sub
"""


@dataclass(frozen=True)
class NpuTarget(ArmTarget):
    """What is not said here is as on ARM: the graphs, their symmetric int8, its rules, running and timing them.

    Attributes:
        name: what results are filed under.
        files: that an export writes, fp32 first.
        operators: of ONNX that it has; a node of a graph that is none of them is named.
        baselines: networks of conf/network that suit it.
    """

    name: ClassVar[str] = "npu"
    files: ClassVar[Mapping[str, str]] = {"fp32": "model.npu.onnx", "int8": "model.npu.int8.onnx"}
    operators: ClassVar[frozenset[str] | None] = frozenset(OPERATORS.split())
    baselines: ClassVar[tuple[str, ...]] = ("resnet18", "repvgg_a0")

    def cannot_time(self) -> str | None:
        """Returns why a latency that is taken here would not be the target's; a search with it then ends."""
        return None if DEVICE.exists() else f"target npu: no {DEVICE} here"
