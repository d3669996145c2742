"""Candidates an hour: real training on one and two workers, and a sleeping evaluator on many, which shows the driver.

    python scripts/benchmarks/scaling.py --out scripts/benchmarks/reports/2026-11-21-scaling.md

Costs are given and not measured, as with latency=table: measuring them needs an idle machine, whatever the executor.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import optuna
from hydra.core.global_hydra import GlobalHydra
from machine import machine

from nastk.config.build import shipped
from nastk.controllers import PerTrial
from nastk.evaluators import Evaluator, Report
from nastk.executors import Executor, Next, NoTask, Result, Task
from nastk.executors.processes import ProcessesExecutor
from nastk.executors.ray import RayExecutor
from nastk.executors.ray_cluster import joined
from nastk.genotype import Genotype
from nastk.jobs.parts import make_evaluator
from nastk.objective import Objective
from nastk.spaces import NasBench201Space, NasnetSpace
from nastk.storages.journal_file import open_journal
from nastk.study.budget import Budget
from nastk.study.loop import search
from nastk.study.study import SearchStudy

SPACES: dict[str, Callable[[], Any]] = {"nasbench201": NasBench201Space, "nasnet": NasnetSpace}
WANTED_TWO = 1.7
WANTED_32 = 0.9


class Sleeper(Evaluator):
    """Takes `seconds` for a candidate and reports one epoch."""

    epochs = 1

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Sleeps; returns an accuracy that depends on the key."""
        time.sleep(self._seconds)
        accuracy = int(genotype.key[:8], 16) / 2**32
        report(1, accuracy)
        return {"accuracy": accuracy}


class Timed(RayExecutor):
    """Counts the seconds that the search's own part takes: proposing, recording, telling."""

    search_seconds = 0.0

    def stream(self, more: Next) -> Iterator[tuple[int, Result]]:
        """As Ray's."""
        for index, result in super().stream(lambda: self._timed(more)):
            start = time.perf_counter()
            yield index, result
            self.search_seconds += time.perf_counter() - start

    def _timed(self, more: Next) -> Task | NoTask:
        start = time.perf_counter()
        try:
            return more()
        finally:
            self.search_seconds += time.perf_counter() - start


@dataclass(frozen=True)
class Measured:
    """One search: seconds from when its workers wait for a candidate, and those before; the driver's a trial."""

    seconds: float
    start_seconds: float
    cpu_seconds_a_trial: float
    search_seconds_a_trial: float


def compose(*overrides: str) -> Any:
    """Returns the configuration of a search."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        return hydra.compose("search", list(overrides))


def measure(executor: Executor, space: Any, trials: int, seed: int) -> Measured:
    """Runs a search for so many candidates in a study of its own, on a journal as every search has."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, executor:
        sampler = PerTrial("optuna.samplers.RandomSampler", seed=seed)
        study = SearchStudy(open_journal(Path(folder)), sampler, space, Objective())
        _ = executor.evaluator
        executor.ready(executor.parallel)
        if isinstance(executor, RayExecutor) and executor._workers is not None:
            executor._workers.wait(executor.parallel)
        start, cpu = time.perf_counter(), time.process_time()
        ended = search(study, executor, lambda genotype: {"latency_ms": 1.0}, Budget(trials), lambda row: None)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if ended is not None or study.trained != trials:
            sys.exit(f"{study.trained} of {trials} trained: {ended}")
        own = getattr(executor, "search_seconds", float("nan"))
        return Measured(seconds, start - begun, cpu / trials, own / trials)


def training(arguments: argparse.Namespace) -> list[str]:
    """Measures real training; returns the report's lines."""
    config = compose(
        *(f"data={arguments.data}", f"data.subset={arguments.images}", f"evaluator.epochs={arguments.epochs}"),
        *("evaluator.threads=1", "evaluator.device=cpu"),
        *([f"data.root={arguments.root}"] if arguments.root else []),
    )
    make = functools.partial(make_evaluator, config)
    preload = ["nastk.cli.launch", "nastk.evaluators.training"]
    variants: dict[str, Callable[[], Executor]] = {
        "processes, 1 worker": lambda: ProcessesExecutor(make, parallel=1, preload=preload),
        "processes, 2 workers": lambda: ProcessesExecutor(make, parallel=2, preload=preload),
        "ray, 1 worker": lambda: RayExecutor(make, parallel=1, cpus=arguments.cpus),
        "ray, 2 workers, rounds": lambda: RayExecutor(make, parallel=2, cpus=arguments.cpus),
        "ray, 2 workers, rounds=false": lambda: RayExecutor(make, parallel=2, cpus=arguments.cpus, rounds=False),
    }
    found: dict[str, list[Measured]] = {name: [] for name in variants}
    for repeat in range(arguments.repeats):
        names = list(variants) if repeat % 2 == 0 else list(reversed(variants))
        for name in names:
            found[name].append(measure(variants[name](), NasnetSpace(), arguments.trials, seed=0))
            print(f"{name}: {found[name][-1].seconds:.1f} s", flush=True)
    lines = [
        "## Real training",
        "",
        f"{arguments.trials} cells of NASNet (the same in each search), {arguments.data}, {arguments.images} images, "
        f"{arguments.epochs} epochs, one thread a worker; {arguments.repeats} interleaved repeats. Seconds count from "
        "when the workers wait for the first candidate. Ratio: to one worker of the same executor, in the same repeat.",
        "",
        "| executor | candidates an hour (median) | least to most | ratio (median) | least to most "
        f"| wanted {WANTED_TWO} | start s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in found.items():
        hourly = [3600 * arguments.trials / run.seconds for run in runs]
        ones = found[f"{name.split(',')[0]}, 1 worker"]
        ratios = [one.seconds / run.seconds for one, run in zip(ones, runs, strict=True)]
        met = "" if name.endswith("1 worker") else "yes" if statistics.median(ratios) >= WANTED_TWO else "no"
        lines.append(
            f"| {name} | {statistics.median(hourly):.0f} | {min(hourly):.0f} to {max(hourly):.0f} "
            f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} | {met} "
            f"| {statistics.median(run.start_seconds for run in runs):.1f} |"
        )
    return [*lines, ""]


def sleeping(arguments: argparse.Namespace) -> list[str]:
    """Measures the driver with workers that do nothing; returns the report's lines."""
    make = functools.partial(_sleeper, arguments.sleep)
    spaces = {name: SPACES[name]() for name in arguments.spaces}
    lines = [
        "## A candidate that sleeps",
        "",
        f"Ray, rounds=false, {arguments.sleep:g} s a candidate, {arguments.each} candidates a worker, "
        f"{arguments.repeats_sleeping} interleaved repeats. Ideal: candidates / workers x {arguments.sleep:g} s. "
        "Search: milliseconds a trial that proposing, recording and telling took. CPU: of the driver, all in all.",
        "",
        "| space | workers | of ideal (median) | least to most | wanted | search ms a trial | driver CPU ms a trial |",
        "|---|---|---|---|---|---|---|",
    ]
    found: dict[tuple[int, str], list[Measured]] = {key: [] for key in itertools.product(arguments.workers, spaces)}
    for repeat in range(arguments.repeats_sleeping):
        for (workers, name), runs in found.items():
            executor = Timed(make, parallel=workers, cpus=arguments.sleeping_cpus, rounds=False)
            run = measure(executor, spaces[name], workers * arguments.each, seed=repeat)
            runs.append(run)
            print(f"{name}, {workers} workers: {run.seconds:.1f} s, started in {run.start_seconds:.1f} s", flush=True)
    for (workers, name), runs in found.items():
        shares = [arguments.each * arguments.sleep / run.seconds for run in runs]
        share = statistics.median(shares)
        met = f"{WANTED_32}: {'yes' if share >= WANTED_32 else 'no'}" if workers == 32 else ""
        lines.append(
            f"| {name} | {workers} | {share:.2f} | {min(shares):.2f} to {max(shares):.2f} | {met} "
            f"| {1000 * statistics.median(run.search_seconds_a_trial for run in runs):.1f} "
            f"| {1000 * statistics.median(run.cpu_seconds_a_trial for run in runs):.1f} |"
        )
    return [*lines, ""]


def _sleeper(seconds: float, device: str | None) -> Sleeper:
    return Sleeper(seconds)


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=["training", "sleeping"], default=["training", "sleeping"])
    parser.add_argument("--data", choices=["digits", "fashion_mnist"], default="digits")
    parser.add_argument("--root", help="of Fashion-MNIST")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=1.0, help="of a training Ray worker")
    parser.add_argument("--sleep", type=float, default=1.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32, 100])
    parser.add_argument("--sleeping-cpus", type=float, default=0.01)
    parser.add_argument("--each", type=int, default=8, help="candidates a sleeping worker")
    parser.add_argument("--repeats-sleeping", type=int, default=2)
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=["nasbench201", "nasnet"])
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    facts = machine()
    lines = ["# Candidates side by side", "", f"`{facts.pop('command')}`", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()] + [""]
    for part in arguments.parts:
        with joined(None):  # one Ray for all searches of a part
            lines += training(arguments) if part == "training" else sleeping(arguments)
    arguments.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
