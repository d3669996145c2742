"""Torch's generators and threads for the length of a block, whatever the process did before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 16


def seed_step(seed: int, device: torch.device) -> None:
    """Seeds what a step draws on the CPU and on `device`, in 2 microseconds; `torch.manual_seed` takes 60."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


@contextmanager
def isolated_rng(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's global generators (CPU and `device`) for the block, and gives them back as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def threads_set(threads: int | None, size: int) -> Iterator[None]:
    """Lets torch use so many CPU threads for the block.

    Args:
        threads: how many, or None to choose: one for images of up to 16 pixels a side, else those that torch has.
        size: pixels a side of the images. On small ones threads gain little, and beside other work they stall: the
            same training took 2.6 s on one thread and 2.3 to 28 s on two, two cores, other jobs running.
    """
    before = torch.get_num_threads()
    wanted = threads if threads is not None else 1 if size <= SMALL else before
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
