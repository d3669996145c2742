"""Runs ONNX files with OpenVINO on the CPU, on a thread of its own, and times them there. Loads no torch, no onnx."""

from __future__ import annotations

import importlib.util
import math
import threading
import traceback
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError

PACKAGE = "openvino"
DEVICE = "CPU"
PRECISION, HINT = "INFERENCE_PRECISION_HINT", "PERFORMANCE_HINT"
THREADS, STREAMS, PINNING = "INFERENCE_NUM_THREADS", "NUM_STREAMS", "ENABLE_CPU_PINNING"
CONVOLUTIONS = ("Convolution", "GroupConvolution")
NO_MEMORY = ("bad_alloc", "could not allocate", "Failed to allocate")
T = TypeVar("T")
_Tasks = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class OpenvinoSession:
    """A compiled file.

    The CPU plugin (2026.4) exchanges the calling thread's signal stack and, when two of its objects go in another order
    than they came, leaves a freed one behind: the next signal, Ctrl-C say, then ends the process. All its objects
    therefore live and die on one thread that receives no signals and ends with them; clocks are read there too, so that
    handing work over to the thread is in no latency.

    Args:
        model: content of an ONNX file that `validate_model` has passed, or the path of any file that OpenVINO reads.
        settings: of OpenVINO, by the names that it prints, e.g. {"INFERENCE_PRECISION_HINT": "f32"}.
        shape: of its input, (batch, channels, height, width); None leaves the batch free, which costs time: OpenVINO
            then works out every shape anew at each run, in two threads that wait for each other.
        requests: that run side by side.

    Attributes:
        outputs: shape of each, -1 for a free size.

    Raises:
        UserError: OpenVINO cannot run this model, or it takes something else than one image of this shape.
        MemoryError: there is not enough for it.
    """

    def __init__(
        self,
        model: bytes | Path,
        settings: Mapping[str, Any],
        shape: tuple[int, int, int, int] | None = None,
        requests: int = 1,
    ) -> None:
        self._shape = shape
        self._held: list[Any] = []
        self._tasks: _Tasks = SimpleQueue()
        self._given_up = threading.Event()
        thread = threading.Thread(target=_serve, args=(self._tasks,), name=PACKAGE, daemon=True)
        thread.start()
        weakref.finalize(self, _end, thread, self._tasks, self._held, self._given_up)
        self.outputs = self._submit(lambda: _compile(model, dict(settings), shape, requests, self._held))

    def predict(self, images: NDArray[np.float32], seconds: float = math.inf) -> NDArray[np.float32]:
        """Returns the logits (n, classes) of normalised images (n, C, H, W), as many at a time as the shape says.

        Raises:
            UserError: OpenVINO fails on the way, or a run takes longer than `seconds`.
            MemoryError: there is not enough for it.
        """
        if self._shape is None:
            return self._submit(lambda: _infer(self._held, images, seconds, self._given_up))
        batch = self._shape[0]
        missing = np.zeros((-len(images) % batch, *images.shape[1:]), np.float32)
        padded = np.ascontiguousarray(np.concatenate([images, missing]))

        def all_of_them() -> NDArray[np.float32]:
            parts = (padded[start : start + batch] for start in range(0, len(padded), batch))
            return np.concatenate([_infer(self._held, part, seconds, self._given_up) for part in parts])

        return self._submit(all_of_them)[: len(images)]

    def timed(self, take: Callable[[Callable[[], object]], T], images: NDArray[np.float32] | None = None) -> T:
        """Returns what `take` finds on the session's thread of a call that runs images through every request at once.

        Without images they are noise of the session's shape.
        """
        if images is None:
            assert self._shape is not None
            images = np.random.default_rng(0).standard_normal(self._shape, dtype=np.float32)
        return self._submit(lambda: take(_call(self._held, images)))

    def convolutions(self) -> dict[str, int]:
        """Returns how many convolutions are computed in each type, e.g. {"u8": 28, "f32": 1}."""
        return self._submit(lambda: _types_of(self._held))

    def _submit(self, work: Callable[[], T]) -> T:
        answer: Future[T] = Future()
        self._tasks.put((answer, work))
        try:
            return answer.result()
        except RuntimeError as error:
            raise _named(error) from None


def missing_openvino() -> str | None:
    """Returns in one line what to install, or None where it is there."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return None
    return f"{PACKAGE} is not installed; pip install 'nastk[{PACKAGE}]'"


def openvino_version() -> str:
    """Returns the version of the package."""
    return version(PACKAGE)


def _compile(
    model: bytes | Path, settings: dict[str, Any], shape: tuple[int, ...] | None, requests: int, held: list[Any]
) -> list[tuple[int, ...]]:
    """Fills `held` with requests, what was compiled, and its core, in the order in which they are to go.

    Returns:
        the shapes of what comes out.
    """
    from openvino import Core

    core = Core()
    read = core.read_model(model)
    if shape is not None:
        _check_input([_sizes(one) for one in read.inputs], shape)
        read.reshape(list(shape))
    compiled = core.compile_model(read, DEVICE, settings)
    held += [[compiled.create_infer_request() for _ in range(requests)], compiled, core]
    return [_sizes(one) for one in compiled.outputs]


def _sizes(port: Any) -> tuple[int, ...]:
    """Returns the shape of an input or output, -1 for a free size, nothing for a free number of them."""
    shape = port.get_partial_shape()
    return () if shape.rank.is_dynamic else tuple(-1 if one.is_dynamic else one.get_length() for one in shape)


def _check_input(found: list[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    """Raises UserError where a file takes something else; a reshape would bend many a network to other images."""
    if len(found) != 1 or tuple(b if a == -1 else a for a, b in zip(found[0], shape, strict=False)) != shape:
        raise UserError(f"takes inputs of the shapes {str(found)[:100]} (-1: free), expected one of {list(shape)}")


def _infer(
    held: list[Any], images: NDArray[np.float32], seconds: float, given_up: threading.Event
) -> NDArray[np.float32]:
    request = held[0][0]
    if seconds == math.inf:
        return np.array(request.infer({0: images})[0])
    request.start_async({0: images})
    if not request.wait_for(round(1000 * seconds)):
        request.cancel()
        given_up.set()
        raise UserError(f"it took over {seconds:g} seconds")
    return np.array(request.results[0])


def _call(held: list[Any], images: NDArray[np.float32]) -> Callable[[], object]:
    requests = held[0]
    if len(requests) == 1:
        return lambda: requests[0].infer({0: images}, share_inputs=True, share_outputs=True)

    def together() -> None:
        for request in requests:
            request.start_async({0: images}, share_inputs=True)
        for request in requests:
            request.wait()

    return together


def _types_of(held: list[Any]) -> dict[str, int]:
    facts = [node.get_rt_info() for node in held[1].get_runtime_model().get_ordered_ops()]
    types = (fact["runtimePrecision"].astype(str) for fact in facts if fact["layerType"].astype(str) in CONVOLUTIONS)
    return dict(Counter(types))


def _serve(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        answer, work = task
        try:
            answer.set_result(work())
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # whose objects of OpenVINO would die on another thread
            answer.set_exception(error)
        del task, answer, work  # what they hold is not to outlive them here


def _end(thread: threading.Thread, tasks: _Tasks, held: list[Any], given_up: threading.Event) -> None:
    """Has the thread take OpenVINO's objects down; waits for it, but not where a run was given up, which may go on.

    A request is cancelled between two operators, and one operator may take for ever.
    """
    tasks.put((Future(), held.clear))
    tasks.put(None)
    if not given_up.is_set():
        thread.join()


def _named(error: RuntimeError) -> Exception:
    """Returns the exception to raise for one of OpenVINO's, which tell files and lines of its own source first."""
    if any(sign in str(error) for sign in NO_MEMORY):
        return MemoryError("OpenVINO failed to allocate memory")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next(
        (line for line in lines if not line.startswith(("Exception from", "Check "))), lines[0] if lines else ""
    )
    return UserError(f"OpenVINO {openvino_version()} cannot run the model ({told[:200] or type(error).__name__})")
