"""The CPU of this machine, through ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import onnx

from nastk.deploy.cost.cost import Static, measure_cost, static_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MODEL, MODEL_INT8
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.fused import fused_operators
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.lint_rules import ONNX_RUNTIME, Rule, activations_are_uint8
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.runtimes.latency import Latency, measure
from nastk.deploy.runtimes.machine import no_clock
from nastk.deploy.runtimes.remote_machine import CPU
from nastk.deploy.runtimes.session import allocation_errors_named, open_session, predict
from nastk.deploy.targets.checks import check_count, check_seconds
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import unknown
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig


@dataclass(frozen=True)
class CpuTarget(Target):
    """ONNX Runtime on the CPU.

    Attributes:
        threads: that compute one batch together; 0 is all cores.
        batch: images at a time.
        precision: in which candidates are measured: "fp32" or "int8", as they are to be deployed.
        seconds: that a candidate's latency measurement may take.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "cpu"
    files: ClassVar[Mapping[str, str]] = {"fp32": MODEL, "int8": MODEL_INT8}
    scheme: ClassVar[Scheme] = X86
    rules: ClassVar[tuple[Rule, ...]] = (activations_are_uint8, *ONNX_RUNTIME)
    provider: ClassVar[str | None] = CPU

    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3

    def __post_init__(self) -> None:
        check_count("threads", self.threads, 0, 1024)
        check_count("batch", self.batch)
        if self.precision not in self.files:
            raise unknown("precision of target", self.precision, self.files)
        check_seconds(self.seconds)

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the float32 graph and its int8 form."""
        models = source.model, source.quantized(self.scheme)
        for model in models:
            lint(model, self)
        for model, file in zip(models, self.files.values(), strict=True):
            write_bytes(folder / file, serialise(model))

    def cannot_time(self) -> str | None:
        """Returns why not where this machine is emulated."""
        reason = no_clock()
        return reason and f"target {self.name}: {reason}"

    def runner(self, path: Path) -> Runner:
        """Opens a session on all cores."""
        return functools.partial(predict, open_session(validate_model(path).data, threads=0))

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns how many convolutions run in int8, what stays in float and why, and what of each file is fused."""
        fused = {file: fused_operators(folder / file).as_json() for file in self.files.values()}
        return {"int8": int8_share(folder / self.files["int8"]).as_json(), "fusion": fused}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network; see `measure_cost`."""
        with allocation_errors_named():
            return measure_cost(genotype, config, self, self._write)

    def candidate(self, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns the file of the untrained network in its precision, and what it costs but for the latency."""
        return static_cost(genotype, config, write=self._write)

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each file, measured in turn; see `nastk.deploy.runtimes.latency.measure`."""
        with allocation_errors_named():
            return measure(paths, batch=self.batch, threads=self.threads, runs=runs, seconds=seconds)

    def _write(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return in_precision(model, self.precision, self.scheme)
