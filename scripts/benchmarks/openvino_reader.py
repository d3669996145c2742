"""OpenVINO as an independent reader of ONNX files, on a thread of its own."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.validate import validate_model


class OpenVinoReader:
    """Reads a file with OpenVINO on the CPU, which computes what it says in float32, roundings to int8 included.

    Its CPU plugin (2026.4) exchanges the calling thread's signal stack and, when two of its objects go in another order
    than they came, leaves a freed one behind: the next signal, Ctrl-C say, then ends the process. All its objects
    therefore live and die on one thread that receives no signals and ends with them.
    """

    def __init__(self, path: Path, exact: bool = True) -> None:
        """Compiles the file for the CPU.

        Args:
            path: of the file.
            exact: False leaves all settings to OpenVINO: it then chooses its own precision and int8 kernels.

        Raises:
            UserError: the file is not a valid model.
        """
        model = validate_model(path).data
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="openvino")
        self._compiled: list[Any] = []
        weakref.finalize(self, _end, self._thread, self._compiled)
        self._thread.submit(_compile, model, exact, self._compiled).result()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits, (n, classes), of images, (n, C, H, W)."""
        return self._thread.submit(_infer, self._compiled, images).result()


def _compile(model: bytes, exact: bool, compiled: list[Any]) -> None:
    from openvino import Core, properties

    core = Core()
    # Its low-precision passes would choose kernels of their own; those of 2026.4 also refuse int8 files with a crop
    # before a padded convolution.
    settings = {properties.hint.inference_precision(): "f32", "LP_TRANSFORMS_MODE": "NO"} if exact else {}
    compiled += [core.compile_model(core.read_model(model), "CPU", settings), core]


def _infer(compiled: list[Any], images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.array(compiled[0]({INPUT: images})[OUTPUT])


def _end(thread: ThreadPoolExecutor, compiled: list[Any]) -> None:
    thread.submit(compiled.clear)
    thread.shutdown(wait=True)
