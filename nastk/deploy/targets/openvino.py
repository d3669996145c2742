"""OpenVINO on the CPU of this machine: the same kind of ONNX files as elsewhere, in float32, bfloat16 and int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import onnx

from nastk.deploy.cost.cost import Static, static_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MODEL
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision import lint_rules
from nastk.deploy.precision.bfloat import bfloat_weights
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.scheme import OPENVINO, Scheme
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.runtimes.candidate_timing import quick_timing
from nastk.deploy.runtimes.latency import CallTimer, Latency, interleaved
from nastk.deploy.runtimes.machine import no_clock
from nastk.deploy.runtimes.openvino_session import (
    DEVICE,
    HINT,
    PACKAGE,
    PINNING,
    PRECISION,
    STREAMS,
    THREADS,
    OpenvinoSession,
    missing_openvino,
    openvino_version,
)
from nastk.deploy.targets.checks import check_count, check_precision, check_seconds
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.processor import X86_BF16, processor_name, quick_bf16, usable_cores

FILES = {"fp32": MODEL, "bf16": "model.openvino.bf16.onnx", "int8": "model.openvino.int8.onnx"}


@dataclass(frozen=True)
class OpenvinoTarget(Target):
    """OpenVINO's CPU plugin, each file with settings of its own, under which it is scored, timed and meant to be run.

    By itself OpenVINO computes float32 files in bfloat16 where the processor can. Here "fp32" is float32, and so is
    what an int8 file leaves in float; the bfloat16 file says that it is one. Files are compiled for one batch size:
    OpenVINO takes longer where that is free.

    Attributes:
        threads: that compute together; 0 is all cores. OpenVINO would silently take no more than there are.
        streams: batches side by side, among which the threads are shared out; a latency is that of so many at once.
        batch: images at a time.
        precision: in which candidates are measured: "fp32", "bf16" where the processor has it, or "int8".
        seconds: that a candidate's latency measurement may take.

    Raises:
        UserError: a value that cannot be, here: more threads than cores, or bfloat16 on a processor without.
    """

    name: ClassVar[str] = "openvino"
    scheme: ClassVar[Scheme] = OPENVINO
    runtime: ClassVar[str] = PACKAGE
    rules: ClassVar[tuple[lint_rules.Rule, ...]] = (
        lint_rules.activations_are_uint8,
        lint_rules.weighted_inputs_are_converted,
        lint_rules.weights_are_int8_a_channel,
        lint_rules.biases_are_float,
        lint_rules.additions_are_converted,
        lint_rules.only_these_are_converted,
    )

    threads: int = 1
    streams: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3

    def __post_init__(self) -> None:
        cores = usable_cores()
        check_count("threads", self.threads, 0, cores)
        check_count("streams", self.streams, 1, self.threads or cores)
        check_count("batch", self.batch)
        check_precision(self.name, self.precision, FILES)
        if self.precision not in self.files:
            raise UserError(
                f"target {self.name}: precision={self.precision!r}, but {processor_name()} has no instructions for it "
                f"({', '.join(X86_BF16)}); expected {' or '.join(self.files)}"
            )
        check_seconds(self.seconds)

    @property
    def files(self) -> Mapping[str, str]:
        """Names of the files by precision, "bf16" among them where the processor has instructions for it.

        With AVX512 alone OpenVINO would compute bfloat16 too, but by way of float32, and slowly.
        """
        return {name: file for name, file in FILES.items() if name != "bf16" or self._bf16}

    @cached_property
    def _bf16(self) -> bool:
        return quick_bf16()

    def leave_out_bf16(self, where: str) -> None:
        """Takes the bfloat16 file out, for it will run on a processor without; raises UserError where it is asked for.

        Args:
            where: that is, for the message.
        """
        if self.precision == "bf16":
            raise UserError(
                f"target {self.name}: precision='bf16', but {where} has no instructions for it "
                f"({', '.join(X86_BF16)}); expected fp32 or int8"
            )
        self.__dict__["_bf16"] = False

    def check(self) -> None:
        """Raises UserError where OpenVINO is not installed: a file that nobody has scored is not shipped."""
        reason = self.cannot_run()
        if reason is not None:
            raise UserError(reason)

    def cannot_run(self) -> str | None:
        """Says where OpenVINO is not installed."""
        missing = missing_openvino()
        return missing and f"target {self.name}: {missing}"

    def cannot_time(self) -> str | None:
        """As long as it can be run, and this machine is none that is emulated."""
        reason = no_clock()
        return self.cannot_run() or (reason and f"target {self.name}: {reason}")

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the float32 graph, the same with weights in bfloat16, and its int8 form."""
        write = {
            "fp32": lambda: source.model,
            "bf16": lambda: bfloat_weights(source.model),
            "int8": lambda: source.quantized(self.scheme),
        }
        for precision, file in self.files.items():
            model = write[precision]()
            lint(model, self)
            write_bytes(folder / file, serialise(model))

    def runner(self, path: Path) -> Runner:
        """Opens a file as it is timed."""
        return self._opened(path).predict

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each file, measured in turn; raises UserError where OpenVINO is missing."""
        timers = [_Timer(self._opened(path)) for path in paths]
        found = interleaved(timers, batch=self.batch, threads=self._count, runs=runs, seconds=seconds)
        return [replace(latency, streams=self.streams) for latency in found]

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network, in its precision's file.

        Raises:
            UserError: OpenVINO is not installed, or cannot run the network.
            MemoryError: there is not enough for the network.
        """
        self.check()
        static = self.candidate(genotype, config)
        session = self._session(static.file, config.shape, self.precision)
        timing = session.timed(lambda call: quick_timing(call, seconds=self.seconds, threads=self._count))
        return static.timed(timing)

    def candidate(self, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns the file of the untrained network in its precision, and what it costs but for the latency."""
        return static_cost(genotype, config, write=self._write)

    def settings(self, precision: str) -> dict[str, Any]:
        """Returns OpenVINO's settings for the file of a precision.

        Its threads are not pinned: it would choose the first core, whatever else runs there, in every process.
        """
        return {
            PRECISION: "bf16" if precision == "bf16" else "f32",
            HINT: "LATENCY",
            THREADS: self._count,
            STREAMS: self.streams,
            PINNING: False,
        }

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns OpenVINO's version, how each file is to be compiled, and in which type its convolutions then are."""
        types = {file: self._opened(folder / file).convolutions() for file in self.files.values()}
        files = {
            file: {"batch": self.batch, "settings": self.settings(precision), "convolutions": types[file]}
            for precision, file in self.files.items()
        }
        return {
            "runtime": f"OpenVINO {openvino_version()}",
            "openvino": {"version": openvino_version(), "device": DEVICE, "files": files},
            "int8": {"summary": _int8_summary(types[FILES["int8"]])},
        }

    @property
    def _count(self) -> int:
        return self.threads or usable_cores()

    def _opened(self, path: Path) -> OpenvinoSession:
        self.check()
        checked = validate_model(path)
        precision = next((name for name, file in self.files.items() if file == path.name), "fp32")
        try:
            return self._session(checked.data, checked.shape, precision)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def _session(self, model: bytes, shape: tuple[int, int, int], precision: str) -> OpenvinoSession:
        return OpenvinoSession(model, self.settings(precision), (self.batch, *shape), self.streams)

    def _write(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return in_precision(model, self.precision, self.scheme)


class _Timer:
    """Times a session's runs, on its own thread; see `latency.Timer`."""

    def __init__(self, session: OpenvinoSession) -> None:
        self._session = session

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        return self._session.timed(lambda call: CallTimer(call).run(least, seconds))


def _int8_summary(convolutions: Mapping[str, int]) -> str:
    in_int8 = sum(count for kind, count in convolutions.items() if kind in ("i8", "u8"))
    return f"{in_int8} of {sum(convolutions.values())} convolutions in int8"
