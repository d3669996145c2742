"""An ARM processor, through ONNX Runtime: a Raspberry Pi, a phone that runs Linux, a server."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from nastk.deploy.cost.cost import measure_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MODEL, MODEL_ARM_INT8
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import ARM
from nastk.deploy.precision.unsigned import as_uint8
from nastk.deploy.runtimes.session import allocation_errors_named, open_session, predict
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.target import Runner
from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

MACHINES = ("aarch64", "arm64")


@dataclass(frozen=True)
class ArmTarget(CpuTarget):
    """ONNX Runtime on an ARM processor, with symmetric int8. Fields and errors are those of `CpuTarget`.

    Its files run on any processor, so that their accuracy is known; their latency is the target's only on ARM.
    """

    @property
    def name(self) -> str:
        """What results are filed under."""
        return "arm"

    @property
    def files(self) -> Mapping[str, str]:
        """Names of the files that run there, by precision."""
        return {"fp32": MODEL, "int8": MODEL_ARM_INT8}

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the float32 graph and its symmetric int8 form."""
        quantized = source.quantized(ARM)
        for model in (source.model, quantized):
            lint(model, self.name)
        write_bytes(folder / MODEL, serialise(source.model))
        write_bytes(folder / MODEL_ARM_INT8, serialise(quantized))

    def cannot_time(self) -> str | None:
        """Returns why not, unless this is an ARM machine."""
        machine = platform.machine()
        if machine in MACHINES:
            return None
        return (
            f"target arm: this machine is {machine or 'unknown'}, no ARM; its latency would say nothing of the target"
        )

    def runner(self, path: Path) -> Runner:
        """Opens a session on all cores; on x86 of the same graph with uint8 activations, which it computes quickly."""
        data = validate_model(path).data
        if self.cannot_time() is not None:
            data = serialise(as_uint8(onnx.ModelProto.FromString(data)))
        return functools.partial(predict, open_session(data, threads=0))

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns how many convolutions run in int8 on ARM, and what stays in float and why."""
        return {"int8": int8_share(folder / MODEL_ARM_INT8, signed=True).as_json()}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network.

        Raises:
            UserError: this is no ARM machine.
        """
        reason = self.cannot_time()
        if reason is not None:
            raise UserError(f"{reason}; target=remote measures on a device, latency=table predicts from its operations")
        with allocation_errors_named():
            return measure_cost(genotype, config, self, self._write)

    def _write(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return quantized_model(model, assumed_ranges(model), ARM) if self.precision == "int8" else model
