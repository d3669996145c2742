"""A first training step on images without content: how long a step takes here, and how much memory."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.training.device import place
from nastk.training.failure import memory_errors_named
from nastk.training.kept_memory import memory_kept
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.recipe import Recipe

# A first step also chooses kernels; where it was quick, a second one tells better.
QUICK_SECONDS = 2.0


@dataclass(frozen=True)
class StepCost:
    """What a training step takes.

    Attributes:
        seconds: on the device that was asked for.
        bytes: by which the process has grown at most, or that the GPU has held.
        device: its name.
    """

    seconds: float
    bytes: int
    device: str


def first_step(genotype: Genotype, config: NetworkConfig, recipe: Recipe, device: torch.device) -> StepCost:
    """Trains a network for a step or two, and forgets it.

    Args:
        genotype: the cells.
        config: the network.
        recipe: batch and optimizer.
        device: to train on.

    Raises:
        TrainingError: there is not enough memory.
    """
    _forget_peak()
    before = _peak(device)
    with memory_errors_named(), memory_kept():
        network = build_network(genotype, config)
        place(network, device)
        optimizer = recipe.make_optimizer(network)
        images, labels = blank_batch(config, recipe.batch, device)
        seconds = 0.0
        with quick_forms(network, device):
            for _ in range(2):
                start = time.perf_counter()
                one_step(network, optimizer, images, labels, bf16=recipe.in_bf16(device))
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                seconds = time.perf_counter() - start
                if seconds > QUICK_SECONDS:
                    break
    return StepCost(seconds, max(_peak(device) - before, 0), str(device))


def blank_batch(config: NetworkConfig, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns images without content, float (batch, channels, height, width), and labels, int64 (batch,)."""
    images = torch.randn((batch, *config.shape), device=device).contiguous(memory_format=torch.channels_last)
    return images, torch.arange(batch, device=device) % config.classes


def one_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, *, bf16: bool
) -> None:
    """Trains `network` for one step, under autocast to bfloat16 or without."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        output = network(images)
        outputs = output if isinstance(output, tuple) else (output,)
        loss = torch.stack([cross_entropy(one, labels) for one in outputs]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()


def _forget_peak() -> None:
    """Has Linux count the process's greatest memory from now on: else it is of before, or of who started it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
