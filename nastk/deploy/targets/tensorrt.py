"""NVIDIA GPUs and Jetson boards through TensorRT: engines where it is installed, the graphs and a script elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import onnx

from nastk.deploy.cost.cost import Static, static_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MODEL
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.lint_rules import Rule
from nastk.deploy.precision.scheme import TENSORRT, Scheme
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.runtimes.candidate_timing import QuickTiming
from nastk.deploy.runtimes.engine_file import (
    HARDWARE,
    EngineSettings,
    all_run,
    engine_path,
    engine_record,
    trusted_engine,
)
from nastk.deploy.runtimes.gpu import EventTimer, gpu_memory_errors_named, missing_gpu, present_gpu
from nastk.deploy.runtimes.latency import Latency, interleaved
from nastk.deploy.runtimes.remote_trtexec import OLDEST
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.runtimes.trtexec import BUILD_SCRIPT, build_script, options_there
from nastk.deploy.targets.checks import check_count, check_precision, check_seconds
from nastk.deploy.targets.target import Runner, Target
from nastk.deploy.targets.tensorrt_rules import GRAPH_RULES, OPERATORS, RULES, quantized_convolutions
from nastk.errors import UserError, unknown
from nastk.files import write_bytes, write_text
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

if TYPE_CHECKING:
    from nastk.deploy.runtimes.tensorrt_engine import Engine

FILES = {"fp32": MODEL, "fp16": "model.tensorrt.fp16.onnx", "int8": "model.tensorrt.int8.onnx"}
CACHES = Path("~/.cache/nastk/tensorrt")
ON_CPU = "ONNX Runtime on the CPU"
NOTE = f"target tensorrt: accuracies are of the graphs by {ON_CPU}, not of engines"


@dataclass(frozen=True)
class TensorrtTarget(Target):
    """TensorRT 10 or 11 on an NVIDIA GPU, strongly typed: the graphs say what is computed in which precision.

    With the library and a GPU, an export holds engines, which answer and are timed: from a batch on the GPU until its
    logits are there. Without, it holds the graphs and `build_engine.sh`, and the graphs answer by ONNX Runtime.

    Attributes:
        batch: images at a time that engines are tuned for and timed with.
        min_batch, max_batch: the least and the most that they take.
        precision: in which candidates are measured: "fp32", "fp16" or "int8".
        seconds: that a candidate's latency measurement may take; building its engine takes longer.
        cuda_graph: whether latencies are taken with the launches replayed as one CUDA graph.
        hardware: GPUs that engines run on: "same" kind, same "compute_capability", or "ampere_plus".
        version_compatible: whether later versions of TensorRT run them too, more slowly.
        timing_cache: file that kernels' timings are kept in; None: one a version and GPU in ~/.cache/nastk/tensorrt.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "tensorrt"
    files: ClassVar[Mapping[str, str]] = FILES
    scheme: ClassVar[Scheme] = TENSORRT
    baselines: ClassVar[tuple[str, ...]] = ("resnet18", "mobilenet_v2", "efficientnet_b0")
    timed_with: ClassVar[str] = "tensorrt"
    rules: ClassVar[tuple[Rule, ...]] = RULES
    graph_rules: ClassVar[tuple[Rule, ...]] = GRAPH_RULES
    operators: ClassVar[frozenset[str] | None] = OPERATORS

    batch: int = 1
    min_batch: int = 1
    max_batch: int = 64
    precision: str = "fp16"
    seconds: float = 0.3
    cuda_graph: bool = True
    hardware: str = "same"
    version_compatible: bool = False
    timing_cache: str | None = None

    def __post_init__(self) -> None:
        check_count("max_batch", self.max_batch)
        check_count("min_batch", self.min_batch, most=self.max_batch)
        check_count("batch", self.batch, self.min_batch, self.max_batch)
        check_precision(self.name, self.precision, FILES)
        check_seconds(self.seconds)
        if self.hardware not in HARDWARE:
            raise unknown("hardware of target tensorrt", self.hardware, HARDWARE)

    @property
    def extras(self) -> tuple[str, ...]:
        """The script and, where they can be built, the engines."""
        engines = [] if missing_tensorrt() else [engine_path(Path(name)).name for name in FILES.values()]
        return (BUILD_SCRIPT, *engines)

    @property
    def engine_settings(self) -> EngineSettings:
        """How engines are built."""
        batches = self.min_batch, self.batch, self.max_batch
        return EngineSettings(batches, self.hardware, self.version_compatible)

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the graphs, checked by the rules of TensorRT, the script and, where they can be built, the engines."""
        half, int8 = half_model(source.model, source.ranges), source.quantized(self.scheme)
        for model, name in zip((source.model, half, int8), FILES.values(), strict=True):
            lint(model, self)
            write_bytes(folder / name, serialise(model))
            if missing_tensorrt() is None:
                write_bytes(engine_path(folder / name), self._build(serialise(model), source.shape))
        script = build_script(list(FILES.items()), source.shape, self.engine_settings)
        write_text(folder / BUILD_SCRIPT, script)

    def still_fits(self, entry: Mapping[str, Any]) -> bool:
        """Returns whether the engines of an export run here; where none can, they stay what they are."""
        gpu = present_gpu()
        return missing_tensorrt() is not None or gpu is None or all_run(entry.get("engines"), gpu, _version())

    def cannot_time(self) -> str | None:
        """Says what is missing."""
        missing = missing_tensorrt()
        return missing and f"target tensorrt: no engine built, nothing timed: {missing}"

    def runner(self, path: Path) -> Runner:
        """Opens a graph's engine or, where there can be none, the graph on the CPU."""
        if missing_tensorrt() is not None:
            return partial(predict, open_session(validate_model(path).data, threads=0, exact=True))
        return self._engine(path).predict

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns how many convolutions read int8, what ran the graphs, and of the engines what they were built for.

        And how long each takes as one CUDA graph and launch by launch, p50 in milliseconds.
        """
        int8 = validate_model(folder / FILES["int8"]).data
        convolutions = quantized_convolutions(onnx.ModelProto.FromString(int8))
        gpu = present_gpu()
        if missing_tensorrt() is not None or gpu is None:
            return {"run_by": ON_CPU, "note": NOTE, "int8": convolutions, "engines": {}}
        version = _version()
        record = engine_record(self.engine_settings, gpu, version)
        paths = [folder / name for name in FILES.values()]
        ways = {"cuda_graph": True, "launches": False}
        times = {
            way: self.measure_launched(paths, runs=200, seconds=self.seconds, cuda_graph=graph)
            for way, graph in ways.items()
        }
        engines = {
            engine_path(path).name: {**record, "p50_ms": {way: times[way][index].p50_ms for way in ways}}
            for index, path in enumerate(paths)
        }
        return {"run_by": f"TensorRT {version} on {gpu}", "int8": convolutions, "engines": engines}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network; builds an engine for it.

        Raises:
            UserError: TensorRT or a GPU is missing, or TensorRT cannot build the network.
            MemoryError: there is not enough for the network.
        """
        self._check_timing()
        static = self.candidate(genotype, config)
        with gpu_memory_errors_named():
            data = self._build(static.file, config.shape)
            latency = self._latencies([_opened(data, host_code=True)], 200, self.seconds, self.cuda_graph)[0]
        return static.timed(QuickTiming(latency.p50_ms, latency.doubt))

    def candidate(self, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns the file of the untrained network in its precision, and what it costs but for the latency."""
        return static_cost(genotype, config, write=lambda model: in_precision(model, self.precision, self.scheme))

    def trtexec_options(self, shape: tuple[int, int, int]) -> dict[str, list[str]]:
        """Returns what trtexec is given to "build" an engine for images (C, H, W), and to "time" it."""
        return options_there(shape, self.engine_settings)

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each graph's engine, measured in turn; raises UserError where there can be none."""
        return self.measure_launched(paths, runs=runs, seconds=seconds, cuda_graph=self.cuda_graph)

    def measure_launched(self, paths: Sequence[Path], *, runs: int, seconds: float, cuda_graph: bool) -> list[Latency]:
        """Returns the same with or without a CUDA graph."""
        self._check_timing()
        with gpu_memory_errors_named():
            return self._latencies([self._engine(path) for path in paths], runs, seconds, cuda_graph)

    def _latencies(self, engines: Sequence[Engine], runs: int, seconds: float, cuda_graph: bool) -> list[Latency]:
        timers = [EventTimer(engine.launcher(self.batch), engine.stream, cuda_graph) for engine in engines]
        return interleaved(timers, batch=self.batch, threads=1, runs=runs, seconds=seconds, on_cpu=False)

    def _engine(self, path: Path) -> Engine:
        """Returns the engine beside a graph or, where there is none, one built of it for now."""
        beside = engine_path(path)
        gpu = present_gpu()
        if beside.exists() and gpu is not None:
            return _opened(*trusted_engine(beside, gpu, _version()))
        checked = validate_model(path)
        return _opened(self._build(checked.data, checked.shape), host_code=True)

    def _build(self, model: bytes, shape: tuple[int, int, int]) -> bytes:
        from nastk.deploy.runtimes.tensorrt_engine import build_engine

        return build_engine(model, shape, self.engine_settings, self._timing_cache())

    def _timing_cache(self) -> Path:
        if self.timing_cache is not None:
            return Path(self.timing_cache).expanduser()
        gpu = present_gpu()
        return CACHES.expanduser() / f"{_version()}-{'-'.join(gpu.name.split()) if gpu else 'none'}.timing"

    def _check_timing(self) -> None:
        missing = missing_tensorrt()
        if missing is not None:
            raise UserError(f"target tensorrt: cannot measure here: {missing}")


def _version() -> str:
    return str(importlib.import_module("tensorrt").__version__)


def missing_tensorrt() -> str | None:
    """Returns in one line why no engine can be built or run here, or None."""
    try:
        version = _version()
    except ModuleNotFoundError:
        return "TensorRT is not installed (pip install 'nastk[tensorrt]' fetches it from NVIDIA)"
    except (ImportError, OSError) as error:
        return f"TensorRT's libraries cannot be loaded ({str(error).splitlines()[0][:120]})"
    if int(version.split(".", maxsplit=1)[0]) < OLDEST:
        return f"TensorRT {version} is too old, expected {OLDEST} or later"
    return missing_gpu()


def _opened(data: bytes, host_code: bool) -> Engine:
    from nastk.deploy.runtimes.tensorrt_engine import Engine

    return Engine(data, host_code)
