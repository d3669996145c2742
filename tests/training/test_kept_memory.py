"""What a training frees stays with it, and goes back to the system at its end.

In a process of its own: once memory has run out in a thread, as in tests of just that, malloc serves this thread from
another arena, whose large pieces it never keeps. It may keep seven equal pieces apart before it takes the first again.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

MEGABYTE = 1 << 20
TRAINS = """
import ctypes, json, resource
from pathlib import Path
import torch
from nastk.training.kept_memory import LARGEST, M_MMAP_THRESHOLD, memory_kept

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

def new_bytes(tensors):
    # Taken anew from the system while so many tensors of 64 MB were made and freed one by one.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(tensors):
        torch.ones(64 * 2**20 // 4)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize()

with memory_kept():
    takes = ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGEST)
    new_bytes(20)
    again, within = new_bytes(20), held()
print(json.dumps({"takes": takes, "again": again, "given_back": within - held()}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told")
def test_freed_memory_is_taken_again_and_given_back_at_the_end() -> None:
    told = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True).stdout
    found = json.loads(told)
    if not found["takes"]:
        pytest.skip("this glibc keeps no tensors above 32 MB")
    assert found["again"] < 64 * MEGABYTE  # one of the twenty at most came anew
    assert found["given_back"] > 48 * MEGABYTE
