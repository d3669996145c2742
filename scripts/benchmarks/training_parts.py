"""What the training benchmark measures of nastk alone: set-up and finish, candidates side by side, memory, profile."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile
from training_sides import CPU, Subject, subjects, torch_forms

from nastk.data.sources import Digits
from nastk.evaluators.training import TrainingEvaluator
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import NasnetSpace, random_genotype
from nastk.training.averaging import AveragingClassifier
from nastk.training.batches import in_order
from nastk.training.device import place
from nastk.training.fit import fit
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.module import score
from nastk.training.recipe import Recipe
from nastk.training.seeds import isolated_rng

STAGES = ("build", "place", "batches", "Lightning set-up", "training", "score", "finish")


def candidate_network(seed: int, config: NetworkConfig) -> nn.Module:
    """Returns a random cell of the NASNet space as a network."""
    return build_network(random_genotype(NasnetSpace(), random.Random(seed)), config)


class _Marked(AveragingClassifier):
    """Notes when the first step begins, when the last one has ended, and when the score is there."""

    marks: list[float]

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if not self.marks:
            self.marks.append(time.perf_counter())
        return super().training_step(batch, batch_idx)

    def on_train_epoch_end(self) -> None:
        self.marks.append(time.perf_counter())
        super().on_train_epoch_end()
        self.marks.append(time.perf_counter())


def stages(subject: Subject, seed: int, batch: int = 64) -> dict[str, float]:
    """Returns the seconds of each stage of a candidate of one epoch, in the order that the evaluator takes them."""
    clock = [time.perf_counter()]
    network = candidate_network(seed, subject.config)
    clock.append(time.perf_counter())
    place(network, CPU)
    clock.append(time.perf_counter())
    batches = subject.batches(batch)
    clock.append(time.perf_counter())
    held = subject.images.take(torch.arange(len(subject.images) // 5))

    def after_epoch(epoch: int, loss: float) -> None:
        score(network, in_order(held, subject.normalisation, CPU))

    module = _Marked(network, batches, Recipe(epochs=1, batch=batch), seed=0, after_epoch=after_epoch, average=0.0)
    module.marks = []
    fit(module, CPU)
    clock += [*module.marks, time.perf_counter()]
    return dict(zip(STAGES, (after - before for before, after in itertools.pairwise(clock)), strict=True))


def train_candidate(task: tuple[int, int, int, str]) -> float:
    """Trains one candidate: (seed, which subject, threads, device); returns its seconds."""
    seed, which, threads, name = task
    torch.set_num_threads(threads)
    subject, device = subjects(256)[which], torch.device(name)
    start = time.perf_counter()
    with isolated_rng(seed, device):
        network = candidate_network(seed, subject.config)
        place(network, device)
        recipe = Recipe(epochs=1)
        module = AveragingClassifier(
            network, subject.batches(64, device), recipe, seed=0, after_epoch=lambda *_: None, average=0.0
        )
        fit(module, device)
        score(network, in_order(subject.images, subject.normalisation, device))
    return time.perf_counter() - start


class Workers:
    """Worker processes that are warm: imports and the first candidate lie behind them."""

    def __init__(self, count: int, threads: int, device: str = "cpu") -> None:
        self.threads, self.device = threads, device
        self._pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
        self.an_hour(0, range(100, 100 + 2 * count))

    def an_hour(self, which: int, seeds: Sequence[int]) -> float:
        """Returns how many candidates an hour they train."""
        start = time.perf_counter()
        list(self._pool.map(train_candidate, [(seed, which, self.threads, self.device) for seed in seeds]))
        return 3600 * len(seeds) / (time.perf_counter() - start)

    def close(self) -> None:
        self._pool.shutdown()


def memory(counts: Sequence[int]) -> dict[int, float]:
    """Returns the resident memory in MiB of a fresh process after so many candidates, each another cell."""
    found = subprocess.run(
        [sys.executable, str(Path(__file__)), *map(str, counts)], capture_output=True, text=True, check=True
    )
    return {int(count): float(size) for count, size in (line.split() for line in found.stdout.splitlines())}


def _print_memory(counts: Sequence[int]) -> None:
    evaluator = TrainingEvaluator(
        data=Digits(subset=150), network={"cells": 1, "filters": 4}, device="cpu", threads=1, epochs=1
    )
    for number in range(1, max(counts) + 1):
        evaluator.evaluate(random_genotype(NasnetSpace(), random.Random(number)), lambda epoch, accuracy: None)
        if number in counts:
            status = Path("/proc/self/status").read_text().splitlines()
            size = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            print(number, size / 1024, flush=True)


def profiles(subject: Subject, seeds: Sequence[int], steps: int) -> dict[str, dict[str, float]]:
    """Returns for "ours" and "torch's own forms" the milliseconds that each op takes of a step, over random cells."""
    found: dict[str, dict[str, float]] = {"ours": {}, "torch's own forms": {}}
    x, y = next(iter(subject.batches(64)))
    for seed in seeds:
        for name, total in found.items():
            torch.manual_seed(0)
            network = candidate_network(seed, subject.config).train()
            place(network, CPU)
            step = _stepper(network, x, y)
            with torch_forms() if name != "ours" else quick_forms(network, CPU):
                step()
                with profile(activities=[ProfilerActivity.CPU]) as record:
                    for _ in range(steps):
                        step()
            for event in record.key_averages():
                total[event.key] = total.get(event.key, 0.0) + event.self_cpu_time_total / 1e3 / steps / len(seeds)
    return found


def step_seconds(subject: Subject, seed: int, own: bool, steps: int) -> float:
    """Returns the least processor seconds of a step of a random cell, with our forms or torch's own."""
    torch.manual_seed(0)
    network = candidate_network(seed, subject.config).train()
    place(network, CPU)
    x, y = next(iter(subject.batches(64)))
    step = _stepper(network, x, y)
    times = []
    with torch_forms() if own else quick_forms(network, CPU):
        for _ in range(steps + 1):
            start = time.process_time()
            step()
            times.append(time.process_time() - start)
    return min(times[1:])


def _stepper(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    optimizer = Recipe().make_optimizer(network)

    def step() -> None:
        loss = cross_entropy(network(x), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    return step


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    _print_memory([int(argument) for argument in sys.argv[1:]])
