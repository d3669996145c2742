"""Opens files in the runtimes that may be on another machine; sent there beside `remote_measure`.

Python 3.8, numpy and the one runtime that the plan names. Each runs a file as the target of this machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .remote_machine import CPU

# Float32 shall be float32: TF32 has no more digits than float16.
PROVIDERS: dict[str, dict[str, str]] = {CPU: {}, "CUDAExecutionProvider": {"use_tf32": "0"}}


class CannotMeasure(Exception):  # noqa: N818 - it is what the other side prints
    """Why nothing can be measured here, in one line."""


class CannotRun(CannotMeasure):
    """Why this runtime here cannot run a file."""


class HostCannot(Exception):  # noqa: N818 - it is what the other side prints
    """Why this machine did not do its part, in one line: another one may."""


class Timer:
    """One open file and its input."""

    def __init__(self, once: Callable[[], object]) -> None:
        self.once = once

    def run(self, least: int, seconds: float = 0.0) -> list[int]:
        """Returns the nanoseconds of each run: at least so many runs, and for at least so long."""
        times: list[int] = []
        begin = before = time.perf_counter_ns()
        while len(times) < least or before - begin < seconds * 1e9:
            self.once()
            after = time.perf_counter_ns()
            times.append(after - before)
            before = after
        return times


def options(threads: int) -> Any:
    """Returns the options of `nastk.deploy.runtimes.session_options`."""
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = 4
    chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.add_session_config_entry("session.set_denormal_as_zero", "1")
    chosen.add_session_config_entry("session.force_spinning_stop", "1")
    return chosen


def with_onnxruntime(model: bytes, plan: dict[str, Any], threads: int) -> Callable[[], object]:
    """Returns what runs the batch; on a GPU it lies there and the logits stay there."""
    import onnxruntime

    provider = plan["provider"]
    device = None if provider == CPU else "cuda"
    session = onnxruntime.InferenceSession(model, options(threads), providers=[(provider, PROVIDERS[provider])])
    if session.get_providers()[0] != provider:  # it goes on with the CPU, and says so only in its log
        raise CannotMeasure(f"ONNX Runtime {onnxruntime.__version__} finds no GPU or not the CUDA libraries it needs")
    taken = session.get_inputs()[0]
    images = noise(plan["batch"], taken.shape[1:])
    if device is None:
        return lambda: session.run(None, {taken.name: images})
    binding = session.io_binding()
    binding.bind_ortvalue_input(taken.name, onnxruntime.OrtValue.ortvalue_from_numpy(images, device, 0))
    binding.bind_output(session.get_outputs()[0].name, device)

    def bound() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return bound


def with_openvino(model: bytes, plan: dict[str, Any], threads: int) -> Callable[[], object]:
    """Returns what runs the batch, compiled for it with the settings that the plan has for its file."""
    import openvino

    core = openvino.Core()
    read = core.read_model(model)
    taken = read.inputs[0]
    shape = [plan["batch"], *(taken.partial_shape[axis].get_length() for axis in (1, 2, 3))]
    read.reshape({taken.any_name: shape})
    settings = {**plan["settings"], "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(read, "CPU", settings)
    request, images = compiled.create_infer_request(), noise(shape[0], shape[1:])
    kept = core, compiled  # a request does not keep them alive

    def infer(kept: object = kept) -> object:
        return request.infer({taken.any_name: images}, share_inputs=True, share_outputs=True)

    return infer


def with_litert(model: bytes, plan: dict[str, Any], threads: int) -> Callable[[], object]:
    """Returns what runs one image."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    image = noise(1, source["shape"][1:])

    def invoke() -> object:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return invoke


def with_executorch(model: bytes, plan: dict[str, Any], threads: int) -> Callable[[], object]:
    """Returns what runs one image; the pool of threads is the process's one."""
    import torch
    from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count, _unsafe_reset_threadpool
    from executorch.runtime import Runtime, Verification

    if _threadpool_get_thread_count() != threads:  # before the first program: XNNPACK keeps a pointer to it
        _unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(model, verification=Verification.InternalConsistency)
    method = program.load_method("forward")
    image = noise(1, method.metadata.input_tensor_meta(0).sizes()[1:])
    kept = program

    def execute(kept: object = kept) -> object:
        return method.execute([torch.from_numpy(image)])[0].numpy()

    return execute


# By the package that is imported: its name for people, and what opens a file.
RUNTIMES = {
    "onnxruntime": ("ONNX Runtime", with_onnxruntime),
    "openvino": ("OpenVINO", with_openvino),
    "ai_edge_litert": ("LiteRT", with_litert),
    "executorch": ("ExecuTorch", with_executorch),
}


def checked_version(plan: dict[str, Any]) -> str:
    """Returns the version of the plan's runtime; raises CannotMeasure where it is not built for what the plan asks."""
    found = runtime_version(plan["runtime"])
    if plan["runtime"] == "onnxruntime":
        import onnxruntime

        if plan["provider"] not in onnxruntime.get_available_providers():
            raise CannotMeasure(f"ONNX Runtime {found} has no {plan['provider']}; install onnxruntime-gpu there")
    return found


def runtime_version(runtime: str) -> str:
    """Returns the version of a runtime that is installed; raises ImportError where it is not."""
    if runtime == "onnxruntime":
        import onnxruntime

        return str(onnxruntime.__version__)
    try:
        return version(runtime)
    except PackageNotFoundError:
        raise ImportError(f"No module named {runtime!r}", name=runtime) from None


def opened(model: bytes, plan: dict[str, Any], threads: int) -> Timer:
    """Opens a file in the plan's runtime and runs it once; raises CannotRun where that cannot be."""
    name, opens = RUNTIMES[plan["runtime"]]
    try:
        timer = Timer(opens(model, plan, threads))
        timer.once()
    except (CannotMeasure, ImportError):
        raise
    except Exception as error:  # the runtimes' exceptions share no base class
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        lines.sort(key=lambda line: line.startswith(("Exception from", "Check ")))  # OpenVINO's source comes first
        raise CannotRun(f"{name} {runtime_version(plan['runtime'])} cannot run the model ({lines[0][:200]})") from None
    return timer


def noise(batch: int, shape: Any) -> Any:
    """Returns images (batch, C, H, W), float32."""
    import numpy

    sizes = (batch, *(int(size) for size in shape))
    return numpy.random.RandomState(0).standard_normal(sizes).astype(numpy.float32)
