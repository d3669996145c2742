"""Compares searches for an int8 file: by int8 latency, by float32 latency, by MACs, and at random.

    python scripts/benchmarks/int8_search.py --root ../shared/data/fashion-mnist

Real trainings on a part of Fashion-MNIST, scaled to 16 pixels; the same budget, controller and seeds on all sides. What
counts is the front of int8 accuracy and int8 latency that each ends with, as hypervolume. A cell that several searches
meet is trained once; a stopped run goes on with the same command. About 40 minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from int8_search_report import write_report
from loop import Result, make_controller, run_search
from tqdm import tqdm

from nastk.config.build import build, load_yaml, plain, shipped
from nastk.data.sources import FashionMnist
from nastk.deploy.cost.cost import static_cost
from nastk.deploy.runtimes.latency import quick_latency
from nastk.deploy.runtimes.session import open_session
from nastk.deploy.targets import CpuTarget
from nastk.evaluators.training import TrainingEvaluator
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.outside import read_json
from nastk.spaces import Space, replay


class Arm(NamedTuple):
    """What a search maximizes and minimizes, and its controller."""

    maximize: str
    minimize: str
    controller: str = "pareto_evolution"


ARMS = {
    "int8": Arm("int8_accuracy", "int8_ms"),
    "fp32 latency": Arm("accuracy", "fp32_ms"),
    "MACs": Arm("accuracy", "macs"),
    "random": Arm("int8_accuracy", "int8_ms", "random"),
}
FILTERS, SIZE = 24, 16


class Task(NamedTuple):
    """One search."""

    arm: str
    seed: int
    trials: int
    space: str
    blocks: int
    root: str
    out: Path


@cache
def search_space(name: str, blocks: int) -> Space:
    """Returns a shipped space; NASNet's with so many blocks a cell."""
    node = plain(load_yaml(shipped("search_spaces") / f"{name}.yaml"))
    space: Space = build(node | ({"blocks": blocks} if "blocks" in node else {}), "space")
    return space


@cache
def evaluator(root: str) -> TrainingEvaluator:
    """Returns what trains every candidate alike, and scores its int8 file too."""
    data = FashionMnist(root=root, resize=SIZE, subset=2000, validation=2000)
    network = {"cells": 1, "filters": FILTERS}
    return TrainingEvaluator(
        data=data, network=network, epochs=2, threads=1, device="cpu", seed=0, int8_target=CpuTarget()
    )


def measured(genotype: Genotype, root: str, seconds: float) -> dict[str, float]:
    """Returns `fp32_ms`, `int8_ms` and `macs` of the untrained candidate, as a search measures them."""
    config = evaluator(root).network_config
    image = np.random.default_rng(0).standard_normal((1, config.channels, config.size, config.size), dtype=np.float32)
    static = {precision: static_cost(genotype, config, precision) for precision in ("fp32", "int8")}
    times = {
        f"{precision}_ms": quick_latency(open_session(cost.file, 1), image, seconds=seconds)
        for precision, cost in static.items()
    }
    return {**times, "macs": float(static["fp32"].macs)}


def candidate(genotype: Genotype, task: Task) -> Mapping[str, float]:
    """Returns a candidate's metrics: those on disk, or trained and measured now."""
    path = task.out / "cells" / f"{genotype.key}.json"
    if path.exists():
        known: dict[str, Any] = read_json(path)
        return dict(known["metrics"])
    cost = measured(genotype, task.root, seconds=0.3)
    scores = evaluator(task.root).evaluate(genotype, lambda epoch, accuracy: None)
    metrics = {**cost, "accuracy": scores["accuracy"], "int8_accuracy": scores["int8_accuracy"]}
    write_json(path, {"genotype": genotype.to_dict(), "metrics": metrics})
    return metrics


def searched(task: Task) -> str:
    """Runs one search, and writes which cells it trained, in their order."""
    path = task.out / f"{task.arm.replace(' ', '-')}-{task.seed}.json"
    if path.exists():
        return f"{task.arm} {task.seed}: known"
    arm, space = ARMS[task.arm], search_space(task.space, task.blocks)
    choices: dict[str, tuple[Any, ...]] = {}

    def note(name: str, options: Any) -> Any:
        choices[name] = tuple(options)
        return choices[name][0]

    space.genotype(note)
    keys: dict[str, int] = {}

    def look_up(chosen: Mapping[str, Any]) -> Result:
        genotype = replay(space, chosen)
        metrics = candidate(genotype, task)
        return Result(keys.setdefault(genotype.key, len(keys)), [metrics[arm.maximize], metrics[arm.minimize]])

    start = {"population": 16, "start": 8} if arm.controller == "pareto_evolution" else {}
    sampler = make_controller(arm.controller, task.seed, **start)
    run_search(sampler, ["maximize", "minimize"], choices, look_up, task.trials)
    write_json(path, {"arm": task.arm, "seed": task.seed, "keys": list(keys)[: task.trials]})
    return f"{task.arm} {task.seed}: done"


def main() -> None:
    """Searches, measures every cell's int8 latency once more, one after another, and writes the report."""
    options = parse()
    (options.out / "cells").mkdir(parents=True, exist_ok=True)
    tasks = [
        Task(arm, seed, options.trials, options.space, options.blocks, options.root, options.out)
        for arm, seed in itertools.product(options.arms, range(options.seeds))
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool:
        for done in tqdm(
            as_completed([pool.submit(searched, task) for task in tasks]), total=len(tasks), unit="search"
        ):
            done.result()
    times = options.out / "times.json"
    known: dict[str, float] = read_json(times) if times.exists() else {}
    for path in tqdm(sorted((options.out / "cells").glob("*.json")), unit="cell"):
        if path.stem not in known:
            genotype = Genotype.from_dict(read_json(path)["genotype"])
            known[path.stem] = min(measured(genotype, options.root, seconds=0.3)["int8_ms"] for _ in range(3))
    write_json(times, known)
    print(write_report(options, options.arms, known))


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder with Fashion-MNIST's four files")
    parser.add_argument("--out", type=Path, default=Path("runs/int8-search"), help="where results are kept")
    parser.add_argument("--report", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), help="the first is compared with the others"
    )
    parser.add_argument("--space", choices=["nasbench201", "nasnet"], default="nasbench201")
    parser.add_argument("--blocks", type=int, default=3, help="of a cell of NASNet's space")
    parser.add_argument("--workers", type=int, default=2, help="searches at a time, one thread each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
