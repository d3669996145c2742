"""Builds TensorRT engines of ONNX graphs and runs them. Imported only where TensorRT 10 or 11 is, and a GPU.

The network is strongly typed: precisions are those of the graph, so the builder gets no flag of a precision, which
TensorRT 11 no longer has. Its names and signatures are those of tests/deploy/tensorrt_stubs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorrt as trt
import torch
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.runtimes.engine_file import EngineSettings, built_here
from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.outside import read_bytes

Started = TypeVar("Started", trt.Builder, trt.Runtime)
LEVELS = {"same": "NONE", "compute_capability": "SAME_COMPUTE_CAPABILITY", "ampere_plus": "AMPERE_PLUS"}


def build_engine(
    model: bytes, shape: tuple[int, int, int], settings: EngineSettings, timing_cache: Path | None
) -> bytes:
    """Builds an engine for the GPU of this machine; takes from seconds to minutes.

    Args:
        model: content of an ONNX file that `validate_model` has passed.
        shape: of one image, (C, H, W).
        settings: how.
        timing_cache: file of kernels' timings, used where it suits this GPU and TensorRT, and written anew.

    Raises:
        UserError: TensorRT cannot read the graph or build it so; says what TensorRT says.
    """
    log = _Log()
    builder = _started(trt.Builder, log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        error = parser.get_error(0) if parser.num_errors else None
        found = f"node {error.node_name()!r} ({error.node_operator()}): {error.desc()}" if error else log.first()
        raise UserError(f"TensorRT {trt.__version__} cannot read the graph: {found}")
    config = _configured(builder, shape, settings)
    _use_timings(config, timing_cache)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise UserError(f"TensorRT {trt.__version__} cannot build the engine: {log.first()}")
    if timing_cache is not None:
        # What is lost with it is time.
        with contextlib.suppress(OSError, UserError):
            timing_cache.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(timing_cache, bytes(config.get_timing_cache().serialize()))
    data = bytes(serialized)
    built_here(data)
    return data


def _configured(builder: trt.Builder, shape: tuple[int, int, int], settings: EngineSettings) -> trt.IBuilderConfig:
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    least, tuned, most = (trt.Dims([batch, *shape]) for batch in settings.batches)
    profile.set_shape(INPUT, least, tuned, most)
    config.add_optimization_profile(profile)
    # Float32 shall be float32: TF32 has no more digits than float16.
    config.clear_flag(trt.BuilderFlag.TF32)
    if settings.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    level = getattr(trt.HardwareCompatibilityLevel, LEVELS[settings.hardware], None)
    if level is None:
        raise UserError(f"target tensorrt: hardware={settings.hardware!r}: TensorRT {trt.__version__} cannot do that")
    config.hardware_compatibility_level = level
    return config


def _use_timings(config: trt.IBuilderConfig, path: Path | None) -> None:
    """Lets the builder know the timings of a file; one that is damaged or of another GPU or version counts as none."""
    known = read_bytes(path) if path is not None and path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _started(kind: Callable[[trt.ILogger], Started], log: _Log) -> Started:
    """Returns a builder or a runtime; without a driver that it can use, TensorRT makes none."""
    try:
        return kind(log)
    except (TypeError, RuntimeError):
        raise UserError(f"TensorRT {trt.__version__} cannot start: {log.first()}") from None


class Engine:
    """An engine, ready to run, its buffers on the GPU allocated once, for the largest batch that it takes.

    Args:
        data: of `build_engine` or `trusted_engine`.
        host_code: whether it may bring code for the CPU, as a version-compatible one does.

    Raises:
        UserError: TensorRT cannot load it, or it is not from `image` to `logits`.
    """

    def __init__(self, data: bytes, host_code: bool) -> None:
        self._log = log = _Log()
        self._runtime = _started(trt.Runtime, log)
        self._runtime.engine_host_code_allowed = host_code
        engine = self._runtime.deserialize_cuda_engine(data)
        if engine is None:
            raise UserError(f"TensorRT {trt.__version__} cannot load the engine: {log.first()}")
        names = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
        if names != {INPUT, OUTPUT}:
            raise UserError(f"engine: inputs and outputs {sorted(names)}, expected {INPUT!r} and {OUTPUT!r}")
        least, _, most = engine.get_tensor_profile_shape(INPUT, 0)
        self.least, self.most = least[0], most[0]
        self._context = engine.create_execution_context()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._images = torch.zeros([most[index] for index in range(len(most))], device="cuda")
        self._logits = torch.zeros([self.most, engine.get_tensor_shape(OUTPUT)[1]], device="cuda")
        for name, buffer in ((INPUT, self._images), (OUTPUT, self._logits)):
            if not self._context.set_tensor_address(name, buffer.data_ptr()):
                raise UserError(f"TensorRT {trt.__version__} refuses a buffer for {name}: {log.first()}")

    def launcher(self, batch: int) -> Callable[[], None]:
        """Returns what puts one run of a batch on the engine's stream, buffers to buffers.

        Raises:
            UserError: the engine takes no such batch.
        """
        if not self.least <= batch <= self.most:
            raise UserError(f"engine: batch={batch}, it takes {self.least} to {self.most} images")
        if not self._context.set_input_shape(INPUT, (batch, *self._images.shape[1:])):
            raise UserError(f"TensorRT {trt.__version__} refuses batch={batch}: {self._log.first()}")

        def launch() -> None:
            if not self._context.execute_async_v3(self.stream.cuda_stream):
                raise RuntimeError(f"TensorRT: the run failed: {self._log.first()}")

        return launch

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits (n, classes) of normalised images (n, C, H, W)."""
        parts = []
        for start in range(0, len(images), self.most):
            pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + self.most]))
            with torch.cuda.stream(self.stream):
                self._images[: len(pixels)].copy_(pixels)
                self.launcher(max(len(pixels), self.least))()
                parts.append(self._logits[: len(pixels)].cpu().numpy())
        return np.concatenate(parts)


class _Log(trt.ILogger):
    """Keeps TensorRT's complaints for the one line that the user gets."""

    def __init__(self) -> None:
        super().__init__()
        self._errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self._errors.append(msg)

    def first(self) -> str:
        """Returns the first complaint: those that follow are of its consequences."""
        return self._errors[0][:300] if self._errors else "it does not say why"
