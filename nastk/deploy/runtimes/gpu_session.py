"""Opens an ONNX file on the NVIDIA GPU: by ONNX Runtime where that is built for CUDA, otherwise by torch."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.torch_graph import TorchGraph
from nastk.deploy.runtimes.gpu import EventTimer, missing_gpu
from nastk.deploy.runtimes.latency import Timer
from nastk.deploy.runtimes.session import predict
from nastk.deploy.runtimes.session_options import refusal, session_options
from nastk.errors import UserError

CUDA_PROVIDER = "CUDAExecutionProvider"
# Float32 shall be float32: TF32 has no more digits than float16.
CUDA_OPTIONS = {"use_tf32": "0"}


def missing_runtime() -> str | None:
    """Returns in one line why nothing here runs ONNX files on an NVIDIA GPU, or None."""
    if has_cuda():
        return None
    missing = missing_gpu()
    return missing and f"{missing}, and this ONNX Runtime {onnxruntime.__version__} is not onnxruntime-gpu"


def has_cuda() -> bool:
    """Whether ONNX Runtime runs files on a GPU, rather than torch in its place."""
    return CUDA_PROVIDER in onnxruntime.get_available_providers()


def runtime_name() -> str:
    """Returns what runs files on the GPU."""
    if has_cuda():
        return f"ONNX Runtime {onnxruntime.__version__}, CUDA"
    return f"torch {torch.__version__}"


def open_on_gpu(model: bytes, graph: bool) -> OnnxRuntimeOnGpu | TorchOnGpu:
    """Opens a model that `validate_model` has passed; raises UserError where there is nothing to run it.

    Args:
        model: content of the file.
        graph: whether torch shall replay its launches as one CUDA graph when timed.
    """
    missing = missing_runtime()
    if missing is not None:
        raise UserError(missing)
    if CUDA_PROVIDER in onnxruntime.get_available_providers():
        return OnnxRuntimeOnGpu(model)
    return TorchOnGpu(onnx.ModelProto.FromString(model), graph)


class OnnxRuntimeOnGpu:
    """A session of ONNX Runtime whose buffers lie on the device.

    Args:
        model: content of the file.
        provider, options, device: what runs it, and where; others than CUDA's are for tests.

    Raises:
        UserError: ONNX Runtime cannot run it there.
    """

    def __init__(
        self,
        model: bytes,
        provider: str = CUDA_PROVIDER,
        options: dict[str, str] = CUDA_OPTIONS,
        device: str = "cuda",
    ) -> None:
        self._device = device
        try:
            self._session = onnxruntime.InferenceSession(model, session_options(1), providers=[(provider, options)])
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise UserError(refusal(error)) from error
        if self._session.get_providers()[0] != provider:
            # It goes on with the CPU, and says so only in its log.
            raise UserError(f"ONNX Runtime {onnxruntime.__version__} finds no GPU or not the CUDA libraries it needs")

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits (n, classes) of normalised images (n, C, H, W)."""
        return predict(self._session, images)

    def timer(self, images: NDArray[np.float32]) -> Timer:
        """Returns what times runs of this batch, from buffer to buffer on the device, by this machine's clock."""
        return _BoundTimer(self._session, images, self._device)


class _BoundTimer:
    def __init__(self, session: onnxruntime.InferenceSession, images: NDArray[np.float32], device: str) -> None:
        self._session, self._binding = session, session.io_binding()
        self._images = onnxruntime.OrtValue.ortvalue_from_numpy(images, device, 0)
        self._binding.bind_ortvalue_input(INPUT, self._images)
        self._binding.bind_output(OUTPUT, device)

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        """Returns the seconds of each run: at least so many runs, and for at least so long."""
        times: list[float] = []
        begin = before = time.perf_counter()
        while len(times) < least or before - begin < seconds:
            self._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
            after = time.perf_counter()
            times.append(after - before)
            before = after
        return times


class TorchOnGpu:
    """The graph in torch.

    Args:
        model: in float32 or float16.
        graph: whether launches are replayed as one CUDA graph when timed.
        device: another than "cuda" is for tests.
    """

    def __init__(self, model: onnx.ModelProto, graph: bool, device: str = "cuda") -> None:
        self._network, self._graph, self._device = TorchGraph(model, device), graph, device

    def predict(self, images: NDArray[np.float32], batch: int = 256) -> NDArray[np.float32]:
        """Returns the logits (n, classes) of normalised images (n, C, H, W)."""
        with _full_float32():
            parts = [
                self._network(torch.from_numpy(images[start : start + batch]).to(self._device)).cpu().numpy()
                for start in range(0, len(images), batch)
            ]
        return np.concatenate(parts)

    def timer(self, images: NDArray[np.float32]) -> Timer:
        """Returns what times runs of this batch, from buffer to buffer on the GPU, by CUDA events."""
        pixels = torch.from_numpy(images).to(self._device)

        def launch() -> Any:
            with _full_float32():
                return self._network(pixels)

        return EventTimer(launch, torch.cuda.Stream(), self._graph)  # type: ignore[no-untyped-call]


def _full_float32() -> Any:
    """Returns a context in which cuDNN's convolutions do not take TF32 for float32; products do not by default."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
