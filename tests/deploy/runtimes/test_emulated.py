"""A processor that another one imitates is told from a real one: its times say nothing."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from nastk.deploy.runtimes import latency, machine
from nastk.deploy.runtimes.remote_machine import emulated
from nastk.errors import UserError

X86, X86_64, ARM, AARCH64 = 3, 62, 40, 183
INTEL = "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\n"
PI = "processor : 0\nFeatures : fp asimd\nCPU implementer : 0x41\n"


def proc(folder: Path, program: int | None, cpuinfo: str | None) -> str:
    """Writes what Linux would tell a program, whose header names a kind of processor."""
    if program is not None:
        (folder / "thread-self").mkdir()
        (folder / "thread-self" / "exe").write_bytes(b"\x7fELF" + bytes(14) + struct.pack("=H", program) + bytes(40))
    if cpuinfo is not None:
        (folder / "cpuinfo").write_text(cpuinfo)
    return str(folder)


@pytest.mark.parametrize(
    ("told", "program", "cpuinfo", "found"),
    [
        ("x86_64", X86_64, INTEL, None),
        ("x86_64", X86, INTEL, None),
        ("aarch64", AARCH64, PI, None),
        ("aarch64", ARM, PI, None),  # a program of 32 bits
        ("armv7l", ARM, PI, None),
        ("aarch64", None, None, None),
        ("sparc64", X86_64, INTEL, None),  # of which nothing is known here
        ("aarch64", X86_64, PI, "uname says aarch64, the program that runs is one for x86"),
        ("x86_64", AARCH64, INTEL, "uname says x86_64, the program that runs is one for Arm"),
        ("aarch64", AARCH64, INTEL, "uname says aarch64, /proc/cpuinfo is one of x86"),
        ("armv7l", None, INTEL, "uname says armv7l, /proc/cpuinfo is one of x86"),
        ("riscv64", None, PI, "uname says riscv64, /proc/cpuinfo is one of Arm"),
    ],
)
def test_what_the_system_tells_a_program_is_held_against_what_it_is(
    told: str, program: int | None, cpuinfo: str | None, found: str | None, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: told)
    assert emulated(proc(tmp_path, program, cpuinfo)) == found


def test_this_machine_is_as_it_says_and_one_that_is_not_times_nothing(monkeypatch) -> None:
    assert emulated() is None and machine.no_clock() is None
    monkeypatch.setattr(machine, "emulated", lambda: "uname says m68k")
    assert machine.machine_facts()["emulated"] == "uname says m68k"
    for timed in (
        lambda: latency.quick_times(lambda: None),
        lambda: latency.interleaved([latency.CallTimer(lambda: None)], batch=1, threads=1),
    ):
        with pytest.raises(UserError, match=r"this machine is emulated \(uname says m68k\); its times are those of no"):
            timed()
