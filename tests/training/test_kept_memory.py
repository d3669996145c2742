"""What a training frees stays with it, and goes back to the system at its end."""

from __future__ import annotations

import ctypes
import platform
import resource
from pathlib import Path

import pytest
import torch

from nastk.training.kept_memory import LARGEST, M_MMAP_THRESHOLD, memory_kept

MEGABYTE = 1 << 20

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told")


def held() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def new_pages(tensors: int) -> int:
    """Returns how many pages the system gave while so many tensors of 64 MB were made and freed one by one."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(tensors):
        torch.ones(64 * MEGABYTE // 4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_memory_is_taken_again_and_given_back_at_the_end() -> None:
    with memory_kept():
        if not ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGEST):
            pytest.skip("this glibc keeps no tensors above 32 MB")
        new_pages(2)
        again = new_pages(5) * resource.getpagesize()
        within = held()
    assert again < 160 * MEGABYTE  # half of the five at most came anew, however full the heap was before
    assert within - held() > 48 * MEGABYTE
