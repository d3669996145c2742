"""Times the ONNX files beside it and prints JSON: what nastk sends to another machine. Needs onnxruntime and numpy.

It runs there alone, with whatever Python 3.8 or newer there is, so it imports nothing of nastk. Options and protocol
are those of `nastk.deploy.runtimes.session_options` and `nastk.deploy.runtimes.latency`; a test holds them together.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PLAN, MARK = "plan.json", "nastk-remote:"
CPU = "CPUExecutionProvider"
# Float32 shall be float32: TF32 has no more digits than float16.
PROVIDERS: dict[str, dict[str, str]] = {CPU: {}, "CUDAExecutionProvider": {"use_tf32": "0"}}
REPEATS, TURN_SECONDS, BLOCK = 3, 0.02, 10
LEAST_WARMUP, NORMAL_95, PRECISION = 10, 1.96, 0.02
# Those of `nastk.processor`.
FEATURES = (
    *("sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
SENSORS = ("cpu", "x86_pkg_temp", "soc", "coretemp", "k10temp", "zenpower")
MOST_DEGREES = 200


class CannotMeasure(Exception):  # noqa: N818 - it is what the other side prints
    """Why nothing can be measured here, in one line."""


def main(folder: Path) -> None:
    """Does what plan.json in `folder` says; the answer is the last line of the output."""
    try:
        answer = measured(folder, json.loads((folder / PLAN).read_text()))
    except CannotMeasure as error:
        answer = {"error": str(error)}
    print("\n" + MARK + json.dumps(answer), flush=True)


def measured(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Returns "nanoseconds" (by file, by repeat, of each run), "others", "threads", "versions" and "machine"."""
    if hasattr(signal, "SIGALRM"):  # whoever asked has gone by then
        signal.alarm(math.ceil(plan["timeout"]))
    for name, expected in plan["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise CannotMeasure(f"{name}: its SHA-256 differs after the copy")
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        raise CannotMeasure(f"{error.name or error} cannot be imported by {sys.executable}; install it there") from None
    threads, provider = plan["threads"] or usable_cores(), plan["provider"]
    if provider not in onnxruntime.get_available_providers():
        raise CannotMeasure(f"ONNX Runtime {onnxruntime.__version__} has no {provider}; install onnxruntime-gpu there")
    timers = [Timer((folder / name).read_bytes(), plan["batch"], threads, provider) for name in plan["files"]]
    others = [others_running()]
    repeats = (
        [[quick(timer, plan["seconds"])] for timer in timers] if plan["quick"] else interleaved(timers, plan, others)
    )
    others.append(others_running())
    return {
        "others": None if None in others else sum(others) / len(others),
        "nanoseconds": dict(zip(plan["files"], repeats)),  # noqa: B905 - Python 3.8 has no strict
        "threads": threads,
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "numpy": numpy.__version__,
        },
        "machine": machine(provider),
    }


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


class Timer:
    """One file's session and its input; with a device, the batch lies there and the logits stay there."""

    def __init__(self, model: bytes, batch: int, threads: int, provider: str, device: str | None = None) -> None:
        import numpy
        import onnxruntime

        device = device or (None if provider == CPU else "cuda")
        try:
            self.session = onnxruntime.InferenceSession(
                model, options(threads), providers=[(provider, PROVIDERS[provider])]
            )
        except Exception as error:  # onnxruntime's exceptions share no public base class
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CannotMeasure(
                f"ONNX Runtime {onnxruntime.__version__} cannot run the model ({first[:200]})"
            ) from None
        if self.session.get_providers()[0] != provider:  # it goes on with the CPU, and says so only in its log
            raise CannotMeasure(
                f"ONNX Runtime {onnxruntime.__version__} finds no GPU or not the CUDA libraries it needs"
            )
        taken = self.session.get_inputs()[0]
        shape = (batch, *taken.shape[1:])
        images = numpy.random.RandomState(0).standard_normal(shape).astype(numpy.float32)
        self.feeds = {taken.name: images}
        self.binding = None
        if device is not None:
            self.binding = self.session.io_binding()
            self.binding.bind_ortvalue_input(taken.name, onnxruntime.OrtValue.ortvalue_from_numpy(images, device, 0))
            self.binding.bind_output(self.session.get_outputs()[0].name, device)

    def once(self) -> None:
        """Runs the batch."""
        if self.binding is None:
            self.session.run(None, self.feeds)
        else:
            self.session.run_with_iobinding(self.binding)
            self.binding.synchronize_outputs()

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


def interleaved(timers: list[Timer], plan: dict[str, Any], others: list[Any]) -> list[list[list[int]]]:
    """Returns each file's repeats: the files take turns until each has had its runs and its time.

    What else wanted to run meanwhile is counted into `others`.
    """
    for timer in timers:
        timer.run(LEAST_WARMUP)
    repeats: list[list[list[int]]] = [[] for _ in timers]
    runs, nanoseconds = math.ceil(plan["runs"] / REPEATS), plan["seconds"] / REPEATS * 1e9
    for _ in range(REPEATS):
        times: list[list[int]] = [[] for _ in timers]
        while any(len(mine) < runs or sum(mine) < nanoseconds for mine in times):
            for timer, mine in zip(timers, times):  # noqa: B905
                mine.extend(timer.run(2, TURN_SECONDS)[1:])
                others.append(others_running())
        for mine, all_of_it in zip(times, repeats):  # noqa: B905
            all_of_it.append(mine)
    return repeats


def quick(timer: Timer, seconds: float) -> list[int]:
    """Returns the runs of a search candidate: until the median is known to 2 %, or for so long."""
    start = time.perf_counter()
    for _ in range(LEAST_WARMUP):
        timer.run(1)
        if time.perf_counter() - start > seconds / 3:
            break
    times: list[int] = []
    while len(times) < 5 or time.perf_counter() - start < seconds:
        times += timer.run(1)
        if len(times) % BLOCK == 0 and uncertainty(times) <= PRECISION:
            break
    return times


def uncertainty(times: list[int]) -> float:
    """Returns half the width of the median's 95 % confidence interval, as a share of the median."""
    ordered, count = sorted(times), len(times)
    reach = NORMAL_95 * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return (ordered[high] - ordered[low]) / 2 / ordered[count // 2] if low >= 0 and high < count else math.inf


def others_running() -> Any:
    """Returns what `nastk.stats.steadiness.others_running` does."""
    try:
        return float((read("/proc/loadavg") or "").split()[3].partition("/")[0]) - 1
    except (ValueError, IndexError):
        return None


def usable_cores() -> int:
    """Returns how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(provider: str = CPU) -> dict[str, Any]:
    """Returns what `nastk.deploy.runtimes.machine.machine_facts` does."""
    frequency = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    return {
        "processor": read("/proc/device-tree/model") or cpuinfo("model name") or platform.processor() or None,
        "features": features(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": usable_cores(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clock_mhz": round(float(frequency) / 1000 if frequency else float(cpuinfo("cpu mhz") or 0)) or None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "temperature_c": temperature(),
        "provider": provider,
        "gpu": None if provider == CPU else gpu(),
    }


def features() -> str | None:
    """Returns what `nastk.processor.processor_features` does."""
    told = cpuinfo("flags") or cpuinfo("features")
    return None if told is None else " ".join(name for name in FEATURES if name in set(told.split()))


def temperature(system: str = "/sys/class") -> Any:
    """Returns what `nastk.processor.temperature` does."""
    found = []
    for kind, name, values in (("thermal/thermal_zone*", "type", "temp"), ("hwmon/hwmon*", "name", "temp*_input")):
        for sensor in Path(system).glob(kind):
            if (read(str(sensor / name)) or "").lower().startswith(SENSORS):
                found += [read(str(path)) or "" for path in sensor.glob(values)]
    degrees = [int(told) / 1000 for told in found if told.isdigit()]
    return max((one for one in degrees if 0 < one < MOST_DEGREES), default=None)


def gpu() -> str | None:
    """Returns the first GPU's name, None where nothing tells it."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return (said.stdout.decode(errors="replace").splitlines() or [""])[0].strip() or None


def read(path: str) -> str | None:
    """Returns a file's text, None where it cannot be read."""
    try:
        return Path(path).read_text(errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def cpuinfo(field: str) -> str | None:
    """Returns a field of /proc/cpuinfo, None where there is none."""
    for line in (read("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == field:
            return value.strip()
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
