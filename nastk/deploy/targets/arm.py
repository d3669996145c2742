"""An ARM processor, through ONNX Runtime: a Raspberry Pi, a phone that runs Linux, a server."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import onnx

from nastk.deploy.manifest import MODEL, MODEL_ARM_INT8
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.fused import fused_operators
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.lint_rules import ONNX_RUNTIME, Rule, zero_points_are_zero
from nastk.deploy.precision.scheme import ARM, Scheme
from nastk.deploy.precision.unsigned import as_uint8
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.target import Runner
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

MACHINES = ("aarch64", "arm64")


@dataclass(frozen=True)
class ArmTarget(CpuTarget):
    """ONNX Runtime on an ARM processor, with symmetric int8. Fields and errors are those of `CpuTarget`.

    Its files run on any processor, so that their accuracy is known; their latency is the target's only on ARM.
    """

    name: ClassVar[str] = "arm"
    files: ClassVar[Mapping[str, str]] = {"fp32": MODEL, "int8": MODEL_ARM_INT8}
    scheme: ClassVar[Scheme] = ARM
    baselines: ClassVar[tuple[str, ...]] = ("mobilenet_v2", "mobilenet_v3_small", "mnasnet1_0")
    rules: ClassVar[tuple[Rule, ...]] = (zero_points_are_zero, *ONNX_RUNTIME)

    def cannot_time(self) -> str | None:
        """Returns why not, unless this is an ARM machine, and a real one."""
        machine = platform.machine()
        if machine in MACHINES:
            return super().cannot_time()
        return (
            f"target arm: this machine is {machine or 'unknown'}, no ARM; its latency would say nothing of the target"
        )

    def runner(self, path: Path) -> Runner:
        """Opens a session on all cores; on x86 of the same graph with uint8 activations, which it computes quickly."""
        data = validate_model(path).data
        if platform.machine() not in MACHINES:
            data = serialise(as_uint8(onnx.ModelProto.FromString(data)))
        return functools.partial(predict, open_session(data, threads=0, exact=True))

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns how many convolutions run in int8 on ARM, what stays in float and why, and what is fused.

        What x86 makes of the float32 file says nothing of ARM, so that is told on an ARM machine only.
        """
        int8 = self.files["int8"]
        told = list(self.files.values()) if self.cannot_time() is None else [int8]
        fused = {file: fused_operators(folder / file, signed=True).as_json() for file in told}
        return {"int8": int8_share(folder / int8, signed=True).as_json(), "fusion": fused}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network.

        Raises:
            UserError: this is no ARM machine.
        """
        reason = self.cannot_time()
        if reason is not None:
            raise UserError(f"{reason}; target=remote measures on a device, latency=table predicts from its operations")
        return super().cost(genotype, config)
