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
# Flags of /proc/cpuinfo that kernels of runtimes are chosen by, on x86 and on ARM, where asimddp is the dot product.
FEATURES = (
    *("sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
# Names of sensors that are the processor's, in /sys/class/thermal and in /sys/class/hwmon.
SENSORS = ("cpu", "x86_pkg_temp", "soc", "coretemp", "k10temp", "zenpower")
MOST_DEGREES = 200


def processor_name(system: Path = ROOT) -> str:
    """Returns the processor's name, where the system does not tell it that of the architecture."""
    return processor_facts(system).get("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Returns how many cores this process may run on, which a container can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_features(system: Path = ROOT) -> str | None:
    """Returns those of `FEATURES` that the processor has, with blanks between; None where the system does not tell."""
    facts = processor_facts(system)
    told = facts.get("flags") or facts.get("features")
    return None if told is None else " ".join(name for name in FEATURES if name in set(told.split()))


def temperature(system: Path = ROOT) -> float | None:
    """Returns the processor's temperature in degrees Celsius, of several sensors the hottest; None without sensors."""
    found: list[float] = []
    for kind, name, values in (("thermal/thermal_zone*", "type", "temp"), ("hwmon/hwmon*", "name", "temp*_input")):
        for sensor in (system / "sys/class").glob(kind):
            with contextlib.suppress(OSError, ValueError):
                if (sensor / name).read_text().strip().lower().startswith(SENSORS):
                    found += [int(path.read_text()) / 1000 for path in sensor.glob(values)]
    return max((degrees for degrees in found if 0 < degrees < MOST_DEGREES), default=None)


def bf16_sets(system: Path = ROOT) -> list[str]:
    """Returns the sets of instructions for bfloat16 that the processor has."""
    facts = processor_facts(system)
    flags = set((facts.get("flags") or facts.get("features") or "").split())
    return [name for flag, name in BF16.items() if flag in flags]


def told_quick_bf16(features: object) -> bool:
    """Whether a processor computes bfloat16 quickly by its `processor_features`, or tells none."""
    if not isinstance(features, str):
        return True
    return any(name in X86_BF16 for flag, name in BF16.items() if flag in features.split())


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
