"""The NVIDIA GPU of this machine, as torch sees it, and how long something takes on it by its own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

WARMUP = 3


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU.

    Attributes:
        name: as its driver says, e.g. "NVIDIA H100 80GB HBM3".
        capability: of computing, e.g. "9.0"; GPUs of one run the same machine code.
    """

    name: str
    capability: str

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.capability})"


def present_gpu() -> Gpu | None:
    """Returns the GPU that torch would use, None where it finds none."""
    if not torch.cuda.is_available():
        return None
    return Gpu(torch.cuda.get_device_name(), ".".join(map(str, torch.cuda.get_device_capability())))


def missing_gpu() -> str | None:
    """Returns in one line why there is no GPU to run on, or None."""
    if present_gpu() is not None:
        return None
    if torch.version.cuda is None:
        return f"no NVIDIA GPU can be used: torch {torch.__version__} is built without CUDA"
    return f"no NVIDIA GPU: torch {torch.__version__} finds none"


class EventTimer:
    """Times what is launched on a stream, by CUDA events before and behind it: on the GPU, without copies to it.

    Args:
        launch: puts one run on the current stream; what it works on lies on the GPU already.
        stream: to run on.
        graph: whether the launches are recorded once and replayed as one CUDA graph.
    """

    def __init__(self, launch: Callable[[], object], stream: torch.cuda.Stream, graph: bool) -> None:
        # Kept beside its recording, whose buffers are its.
        self._stream, self._launch = stream, launch
        self._run = _recorded(launch, stream).replay if graph else launch

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        """Returns the seconds of each run: at least so many runs, and for at least so long."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        times: list[float] = []
        with torch.cuda.stream(self._stream):
            begin = time.perf_counter()
            while len(times) < least or time.perf_counter() - begin < seconds:
                start.record()
                self._run()
                end.record()
                end.synchronize()
                times.append(start.elapsed_time(end) / 1000)
        return times


def _recorded(launch: Callable[[], object], stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
    """Records a run; before, some are run, for what is set up at the first cannot be recorded."""
    with torch.cuda.stream(stream):
        for _ in range(WARMUP):
            launch()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        launch()
    return graph


@contextmanager
def gpu_memory_errors_named() -> Iterator[None]:
    """Turns torch's failure to get memory on the GPU into MemoryError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise MemoryError("torch failed to allocate memory on the GPU") from None
