"""What a measurement was made on and with: processor, clock, load, versions. Latency without these says little."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from nastk.deploy.runtimes import remote_runtimes
from nastk.deploy.runtimes.gpu import present_gpu
from nastk.deploy.runtimes.remote_machine import emulated
from nastk.deploy.runtimes.session import PROVIDER
from nastk.errors import UserError
from nastk.processor import processor_facts, processor_features, processor_name, temperature, usable_cores
from nastk.version import __version__

# What runs files, by package, as people call it.
RUNTIMES = {package: name for package, (name, _) in remote_runtimes.RUNTIMES.items()} | {"tensorrt": "TensorRT"}
HOT = 80.0  # degrees Celsius, from which on boards throttle
CPU_FOLDER = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def no_clock() -> str | None:
    """Returns in one line why times taken on this machine are not those of its processor, None where they are."""
    how = emulated()
    return how and f"this machine is emulated ({how}); its times are those of no processor"


def check_clock() -> None:
    """Raises UserError where `no_clock` has a reason: no latency is taken then."""
    reason = no_clock()
    if reason is not None:
        raise UserError(reason)


def machine_facts() -> dict[str, Any]:
    """Returns what can be read of this machine; None where the system does not tell.

    `cores` are those that this process may use; `features` are what kernels are chosen by, with blanks between; `load`
    is the mean number of runnable processes over the last minute; `temperature_c` is the processor's.
    """
    gpu = present_gpu()
    frequency = _read(CPU_FOLDER / "scaling_cur_freq")
    return {
        "processor": processor_name(),
        "features": processor_features(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": usable_cores(),
        "governor": _read(CPU_FOLDER / "scaling_governor"),
        "clock_mhz": _clock_from_cpuinfo() if frequency is None else round(int(frequency) / 1000),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "temperature_c": temperature(),
        "provider": PROVIDER,
        "gpu": gpu and str(gpu),
        "emulated": emulated(),
    }


def versions() -> dict[str, str]:
    """Returns the versions of what makes and runs the files."""
    return {
        "nastk": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
    }


def heat_warning(facts: Mapping[str, Any]) -> str | None:
    """Returns in one line that a machine was so hot when measured that it may have slowed down, or None."""
    degrees = facts.get("temperature_c")
    if not isinstance(degrees, int | float) or degrees < HOT:
        return None
    return (
        f"{facts.get('processor')} is at {degrees:.0f} degrees Celsius: many processors slow down from {HOT:.0f} on; "
        "let it cool and measure anew"
    )


def runtime_version(package: str) -> str:
    """Returns the version of the package that runs a target's files; raises UserError where it is not installed."""
    try:
        return remote_runtimes.runtime_version(package)
    except ImportError:
        raise UserError(f"{package}: is not installed, so nothing is timed by it") from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def _clock_from_cpuinfo() -> int | None:
    clock = processor_facts().get("cpu mhz")
    return None if clock is None else round(float(clock))
