"""What the machine is that measures: read there by `remote_measure`, beside which it is sent, and here.

Python 3.8 and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

CPU = "CPUExecutionProvider"
# Kinds of processors: by how uname's names begin, by the number in a program's header (ELF), by a field of cpuinfo.
UNAME = {"x86": "x86", "i386": "x86", "i486": "x86", "i586": "x86", "i686": "x86", "amd64": "x86"}
UNAME.update({"arm": "Arm", "aarch64": "Arm", "riscv": "RISC-V"})
ELF = {3: "x86", 62: "x86", 40: "Arm", 183: "Arm", 243: "RISC-V"}
CPUINFO = {"cpu family": "x86", "cpu implementer": "Arm", "isa": "RISC-V"}
# Of /proc/cpuinfo, that kernels of neural networks are chosen by.
FEATURES = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8"),
    *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
# Bits of the Raspberry Pi's firmware that are set while it slows its processor down.
THROTTLED = {
    1: "under-voltage",
    2: "its clock is capped",
    4: "it is throttled",
    8: "its heat is at the soft limit",
}
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"


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
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": usable_cores(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clock_mhz": round(float(frequency) / 1000 if frequency else float(cpuinfo("cpu mhz") or 0)) or None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "provider": provider,
        "gpu": None if provider == CPU else gpu(),
        "emulated": emulated(),
        "features": features(),
    }


def features() -> str | None:
    """Returns the sets of instructions that the first core has, of those that kernels are chosen by."""
    found = set((cpuinfo("flags") or cpuinfo("features") or "").split())
    return " ".join(name for name in FEATURES if name in found) or None


def identity() -> str | None:
    """Returns what is the same for the same machine until it starts anew, however it is called; None if untold."""
    known = read("/proc/sys/kernel/random/boot_id") or read("/etc/machine-id")
    return known and hashlib.sha256(known.encode()).hexdigest()[:16]


def hot(root: str = "/") -> str | None:
    """Returns how it shows that the processor is slowed down, for heat or want of power; None where nothing does."""
    try:
        bits = int(read(root + FIRMWARE) or "0", 16)
    except ValueError:
        bits = 0
    said = [word for bit, word in THROTTLED.items() if bits & bit]
    if said:
        return "its firmware slows it down: " + ", ".join(said)
    for zone in sorted(Path(root, "sys/class/thermal").glob("thermal_zone*")):
        name, degrees = read(str(zone / "type")) or "", thousandths(zone / "temp")
        if not any(part in name.lower() for part in ("cpu", "soc", "x86_pkg")) or degrees is None:
            continue
        for kind in sorted(zone.glob("trip_point_*_type")):
            limit = thousandths(Path(str(kind)[: -len("type")] + "temp"))
            if read(str(kind)) in ("passive", "hot") and limit is not None and 0 < limit <= degrees:
                return f"it is hot: {name} is at {degrees:.0f} °C and slows it down from {limit:.0f} °C on"
    return None


def thousandths(path: Path) -> float | None:
    """Returns a file's number in thousands."""
    try:
        return int(read(str(path)) or "") / 1000
    except ValueError:
        return None


def emulated(proc: str = "/proc") -> str | None:
    """Returns how it shows that another processor imitates this one, None where nothing tells.

    QEMU, Box64 and the like answer for the processor that they imitate where a program asks in its own name. They do
    not where it asks for its thread's program, which is theirs, nor, all but the newest, in /proc/cpuinfo.
    """
    told = next((kind for name, kind in UNAME.items() if platform.machine().lower().startswith(name)), None)
    try:
        with Path(proc, "thread-self/exe").open("rb") as file:
            header = file.read(20)
    except OSError:
        header = b""
    runs = ELF.get(int.from_bytes(header[18:20], sys.byteorder)) if header.startswith(b"\x7fELF") else None
    if told is not None and runs not in (None, told):
        return f"uname says {platform.machine()}, the program that runs is one for {runs}"
    lines = (read(proc + "/cpuinfo") or "").splitlines()
    fields = {line.partition(":")[0].strip().lower() for line in lines}
    cores = next((kind for field, kind in CPUINFO.items() if field in fields), None)
    if told is not None and cores not in (None, told):
        return f"uname says {platform.machine()}, /proc/cpuinfo is one of {cores}"
    return None


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
