"""What a machine says of itself, without a library: cores that may be used, GPUs."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

from nastk.free_memory import control_groups
from nastk.processor import ROOT, usable_cores

ASK_GPU = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
SECONDS = 2.0  # a driver that hangs is no GPU


def cores(system: Path = ROOT) -> int:
    """Returns how many cores this process may compute on at once: those it is bound to, less where it has a quota."""
    shares = [usable_cores()]
    for folder in control_groups(system):
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            shares += [] if quota == "max" else [max(round(int(quota) / int(period)), 1)]
    return min(shares)


def gpus() -> list[str]:
    """Returns name, memory and driver of each GPU that NVIDIA's driver tells of."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run([program, *ASK_GPU], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.splitlines() if line.strip()]
