"""Opens ONNX Runtime sessions, all with the same settings, so that what is measured is what is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.runtimes.session_options import refusal, session_options
from nastk.errors import UserError
from nastk.processor import usable_cores

PROVIDER = "CPUExecutionProvider"
NO_MEMORY = "Failed to allocate memory"


def open_session(
    model: bytes, threads: int = 1, optimised: Path | None = None, signed: bool = False, exact: bool = False
) -> onnxruntime.InferenceSession:
    """Opens a session on the CPU.

    Args:
        model: content of an ONNX file; where it is not our own, of one that `validate_model` has passed.
        threads: that compute one image together; 0 is all cores.
        optimised: where ONNX Runtime shall write the graph that it really runs.
        signed: int8 activations stay what they are, as on ARM; on x86 ONNX Runtime otherwise makes them uint8.
        exact: int8 kernels that cannot overflow, for weights that were not written for x86; slower without VNNI.

    Raises:
        UserError: ONNX Runtime cannot run this model.
    """
    options = session_options(threads or usable_cores())
    if signed:
        options.add_session_config_entry("session.qdqisint8allowed", "1")
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    try:
        with denormals_flushed():
            return onnxruntime.InferenceSession(model, options, providers=[PROVIDER])
    except Exception as error:
        raise UserError(refusal(error)) from error


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Takes denormal numbers for zero on this thread, and no longer than the block: sessions run inside one.

    ONNX Runtime sets this for the calling thread with a process's first session and never takes it back, so that what
    the process computes afterwards, a training for one, would depend on whether something was measured before.
    """
    before = bool(np.float32(1e-40) * np.float32(1) == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def predict(session: onnxruntime.InferenceSession, images: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
    """Returns the logits (n, classes) of normalised images (n, C, H, W)."""
    with denormals_flushed(), failures_told():
        parts = [
            session.run([OUTPUT], {INPUT: np.ascontiguousarray(images[start : start + batch])})[0]
            for start in range(0, len(images), batch)
        ]
    return np.concatenate(parts)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turns what ONNX Runtime raises while it runs a model into UserError, but for a want of memory."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime") or NO_MEMORY in str(error):
            raise
        raise UserError(refusal(error)) from None


@contextmanager
def allocation_errors_named(where: str = "") -> Iterator[None]:
    """Turns ONNX Runtime's failure to get memory, which has no exception class of its own, into MemoryError.

    Args:
        where: that is, in front of the message: "remote board: "; "" on this machine.
    """
    try:
        yield
    except Exception as error:
        if NO_MEMORY not in str(error):
            raise
        raise MemoryError(f"{where}ONNX Runtime failed to allocate memory") from None
