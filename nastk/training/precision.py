"""`precision=timed`: whether a training on a CPU computes in float32 or in bfloat16, by timed steps of its network.

In bfloat16 (autocast) convolutions and matrix products take and give 16 bits, but for those depthwise ones that are
slow in it (`nastk.training.kernels.depthwise`). Weights, their average, the optimizer, the statistics of batch
normalisation and the loss stay in float32.
"""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import torch

from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.processor import quick_bf16
from nastk.training.device import choose_device, place
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.first_step import blank_batch, one_step
from nastk.training.kept_memory import memory_kept
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.recipe import BF16, FP32, TIMED, Recipe
from nastk.training.seeds import isolated_rng, threads_set
from nastk.training.settings import TrainingSettings

# So much faster have steps to be: less is within what the clock of a busy machine says, and the rest of a training
# (batches, averaging, scoring) gains nothing.
FASTER = 1.15
ROUNDS = 5
# Timing takes a dozen steps; a shorter training is over before that pays.
LEAST_STEPS = 200
# After so many seconds no other round begins.
ENOUGH_SECONDS = 20.0


class StepTimes(NamedTuple):
    """Seconds of a training step in float32 and in bfloat16, of one network or of several together."""

    fp32: float
    bf16: float

    @property
    def faster(self) -> float:
        """How many times as fast bfloat16 is."""
        return self.fp32 / self.bf16

    @property
    def precision(self) -> str:
        """The one to train in."""
        return BF16 if self.faster >= FASTER else FP32


def left_to_timing(recipe: TrainingSettings) -> bool:
    """Says whether timed steps are to choose a training's precision: it is left open, and a CPU has the instructions.

    How accurate bfloat16 is with these: scripts/benchmarks/reports/2026-11-27-precision.md.

    Raises:
        UserError: there is no such device.
    """
    open_here = recipe.precision == TIMED and choose_device(recipe.device).type == "cpu"
    return open_here and quick_bf16()


def step_times(genotype: Genotype, config: NetworkConfig, recipe: TrainingSettings) -> StepTimes | None:
    """Returns what steps of a network take on the CPU, in turns: medians after a first, untimed turn.

    On one thread processor time counts, which other work on the machine takes no part of.

    Args:
        genotype: the cells.
        config: the network.
        recipe: batch, optimizer and threads.

    Returns:
        None where the memory does not suffice; a training will say so.
    """
    found: dict[str, list[float]] = {FP32: [], BF16: []}
    try:
        with threads_set(recipe.threads, config.size), isolated_rng(0, torch.device("cpu")), memory_errors_named():
            _time(genotype, config, recipe, found)
    except TrainingError:
        return None
    return StepTimes(*(statistics.median(times) for times in found.values()))


def _time(genotype: Genotype, config: NetworkConfig, recipe: Recipe, found: dict[str, list[float]]) -> None:
    device = torch.device("cpu")
    network = build_network(genotype, config)
    place(network, device)
    network.train()
    optimizer = recipe.make_optimizer(network)
    images, labels = blank_batch(config, recipe.batch, device)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begin = time.perf_counter()
    with memory_kept(), quick_forms(network, device):
        for turn in range(1 + ROUNDS):
            for precision, times in found.items():
                start = clock()
                one_step(network, optimizer, images, labels, bf16=precision == BF16)
                if turn:
                    times.append(clock() - start)
            if turn and time.perf_counter() - begin > ENOUGH_SECONDS:
                break
