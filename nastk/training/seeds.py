"""Seeds that depend on what is trained and on nothing else that the process did before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(*parts: int | str) -> int:
    """Returns a seed in 0..2**63 - 1 that is a function of `parts` alone, the same in every process."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def isolated_rng(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's global generators (CPU and `device`) for the block, and gives them back as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def threads_set(threads: int | None) -> Iterator[None]:
    """Lets torch use `threads` CPU threads for the block; None leaves them as they are."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if threads is not None:
            torch.set_num_threads(before)
