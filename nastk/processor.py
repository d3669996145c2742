"""What the system says of the processor, without a library."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

ROOT = Path("/")
# By these torch and OpenVINO compute bfloat16 quickly; without them, and on ARM, it was not measured or is slow.
X86_BF16 = ("AVX512_BF16", "AMX")
# Flags of /proc/cpuinfo, on x86 and on ARM, and what they are called.
BF16 = {"avx512_bf16": "AVX512_BF16", "amx_bf16": "AMX", "bf16": "ARM BF16"}


def processor_name(system: Path = ROOT) -> str:
    """Returns the processor's name, where the system does not tell it that of the architecture."""
    return processor_facts(system).get("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Returns how many cores this process may run on, which a container can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bf16_sets(system: Path = ROOT) -> list[str]:
    """Returns the sets of instructions for bfloat16 that the processor has."""
    facts = processor_facts(system)
    flags = set((facts.get("flags") or facts.get("features") or "").split())
    return [name for flag, name in BF16.items() if flag in flags]


def quick_bf16(system: Path = ROOT) -> bool:
    """Whether torch and OpenVINO compute bfloat16 quickly on the processor."""
    return not set(X86_BF16).isdisjoint(bf16_sets(system))


def processor_facts(system: Path = ROOT) -> dict[str, str]:
    """Returns what Linux says of the first core, "flags" and "cpu mhz" among it, names in lower case; else nothing.

    Args:
        system: folder that holds the system's files.
    """
    with contextlib.suppress(OSError, ValueError):
        text = (system / "proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
        pairs = (line.partition(":") for line in text.splitlines())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}
    return {}
