"""ONNX Runtime's profiler: how long each kernel of a model takes, run by run."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.runtimes.session import PROVIDER, denormals_flushed, failures_told
from nastk.deploy.runtimes.session_options import session_options
from nastk.processor import usable_cores

KERNEL = "_kernel_time"


class Kernel(NamedTuple):
    """A kernel that was run: the name of its node, ONNX's or the runtime's own name of what it does, milliseconds."""

    node: str
    op: str
    ms: float


def profiled_kernels(
    file: bytes, images: NDArray[np.float32], *, threads: int, seconds: float, least: int, most: int
) -> tuple[list[Kernel], int]:
    """Runs a model under the profiler.

    Args:
        file: an ONNX file of ours.
        images: the batch.
        threads: that compute together; 0 is all cores.
        seconds: to run for, but at least `least` and at most `most` runs.

    Returns:
        the kernels in the order in which they were run, of all runs, and the number of runs.

    Raises:
        UserError: ONNX Runtime cannot run the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads or usable_cores())
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        runs = 0
        with denormals_flushed(), failures_told():
            session = onnxruntime.InferenceSession(file, options, providers=[PROVIDER])
            begin = time.perf_counter()
            while runs < least or (runs < most and time.perf_counter() - begin < seconds):
                session.run(None, {INPUT: images})
                runs += 1
        events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [
        Kernel(event["name"].removesuffix(KERNEL), event["args"].get("op_name", ""), event["dur"] / 1000)
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL)
    ]
    return kernels, runs
