"""NVIDIA GPUs without TensorRT: ONNX Runtime built for CUDA or, where there is none, torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import torch

from nastk.deploy.cost.cost import Static, static_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MODEL
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.scheme import UINT8, Scheme
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.runtimes.candidate_timing import QuickTiming
from nastk.deploy.runtimes.gpu import gpu_memory_errors_named, present_gpu
from nastk.deploy.runtimes.gpu_session import CUDA_PROVIDER, has_cuda, missing_runtime, open_on_gpu, runtime_name
from nastk.deploy.runtimes.latency import Latency, Timer, interleaved
from nastk.deploy.runtimes.session import allocation_errors_named, open_session, predict
from nastk.deploy.targets.checks import check_count, check_precision, check_seconds
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

MODEL_FP16 = "model.fp16.onnx"
FILES = {"fp32": MODEL, "fp16": MODEL_FP16}
ON_CPU = "ONNX Runtime on the CPU"
NOTE = f"target cuda: accuracies are by {ON_CPU}, which computes float16 in float32 where it has no kernel"


@dataclass(frozen=True)
class CudaTarget(Target):
    """ONNX Runtime or torch on an NVIDIA GPU, in float32 (never TF32) and float16. It has no int8.

    A latency is that of a batch which lies on the GPU, until its logits lie there. Where this machine has no GPU, the
    files are written all the same, and answer by ONNX Runtime on the CPU.

    Attributes:
        batch: images at a time.
        precision: in which candidates are measured: "fp32" or "fp16".
        seconds: that a candidate's latency measurement may take.
        cuda_graph: whether torch replays its launches as one CUDA graph; ONNX Runtime launches one by one.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "cuda"
    files: ClassVar[Mapping[str, str]] = FILES
    scheme: ClassVar[Scheme] = UINT8
    baselines: ClassVar[tuple[str, ...]] = ("resnet18", "mobilenet_v2", "efficientnet_b0")
    provider: ClassVar[str | None] = CUDA_PROVIDER

    batch: int = 1
    precision: str = "fp16"
    seconds: float = 0.3
    cuda_graph: bool = True

    def __post_init__(self) -> None:
        check_count("batch", self.batch)
        check_precision(self.name, self.precision, FILES)
        check_seconds(self.seconds)

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the float32 graph and its float16 form."""
        half = half_model(source.model, source.ranges)
        for model, name in ((source.model, MODEL), (half, MODEL_FP16)):
            lint(model, self)
            write_bytes(folder / name, serialise(model))

    def cannot_time(self) -> str | None:
        """Says what is missing."""
        missing = missing_runtime()
        return missing and f"target cuda: not timed: {missing}"

    def runner(self, path: Path) -> Runner:
        """Opens a file on the GPU or, where there is none, on the CPU."""
        data = validate_model(path).data
        if missing_runtime() is not None:
            return partial(predict, open_session(data, threads=0, exact=True))
        return open_on_gpu(data, self.cuda_graph).predict

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns what ran the files: its name, and the GPU."""
        if missing_runtime() is not None:
            return {"run_by": ON_CPU, "gpu": None, "note": NOTE}
        gpu = present_gpu()
        return {"run_by": runtime_name(), "gpu": gpu and str(gpu)}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network, in its precision's file.

        Raises:
            UserError: there is no GPU, or nothing to run on it.
            MemoryError: there is not enough for the network.
        """
        self._check_timing()
        static = self.candidate(genotype, config)
        with allocation_errors_named(), gpu_memory_errors_named():
            timer = self._timer(static.file, config.shape)
            latency = interleaved([timer], batch=self.batch, threads=1, seconds=self.seconds, on_cpu=False)[0]
        return static.timed(QuickTiming(latency.p50_ms, latency.doubt))

    def candidate(self, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns the file of the untrained network in its precision, and what it costs but for the latency."""
        return static_cost(genotype, config, write=self._write)

    def timed_by(self) -> dict[str, str]:
        """Returns the version of ONNX Runtime, or of torch where that has no CUDA."""
        return super().timed_by() if has_cuda() else {"torch": str(torch.__version__)}

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each file, measured in turn; raises UserError where there is no GPU."""
        self._check_timing()
        checked = [validate_model(path) for path in paths]
        with allocation_errors_named(), gpu_memory_errors_named():
            timers = [self._timer(model.data, model.shape) for model in checked]
            return interleaved(timers, batch=self.batch, threads=1, runs=runs, seconds=seconds, on_cpu=False)

    def _write(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return in_precision(model, self.precision, self.scheme)

    def _timer(self, model: bytes, shape: tuple[int, int, int]) -> Timer:
        images = np.random.default_rng(0).standard_normal((self.batch, *shape), dtype=np.float32)
        return open_on_gpu(model, self.cuda_graph).timer(images)

    def _check_timing(self) -> None:
        missing = missing_runtime()
        if missing is not None:
            raise UserError(f"target cuda: cannot measure here: {missing}")
