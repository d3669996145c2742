"""Compares controllers on accuracy and latency of NAS-Bench-201: hypervolume against that of the table's exact front.

python scripts/benchmarks/nas_bench_201_pareto.py --table nb201_cifar10.npz --seeds 100 --out FILE.json
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from loop import Result, make_controller, run_search
from machine import machine
from scipy.stats import wilcoxon
from table_search import Cells
from tqdm import tqdm

from nastk.errors import UserError
from nastk.evaluators.tabular import TabularEvaluator, read_arrays
from nastk.files import write_json

MARKS = (50, 100, 150, 300)
CONTROLLERS = ("random", "nsga2", "nsga2-20", "pareto_evolution")

_cells: Cells
_points: np.ndarray


def prepare(table: str, valid: str, latency: str) -> None:
    """Loads the tables once in every process."""
    global _cells, _points  # noqa: PLW0603 - what a process pool hands its workers
    evaluator = TabularEvaluator(table, valid=valid, test=None, cost=None, params=None)
    _cells = Cells(evaluator, [valid])
    path = evaluator.path.with_name("nb201_latency.npz")
    _points = np.stack([_cells.results[valid], read_arrays(path, [latency])[latency].astype(float)], axis=1)


def hypervolume(points: np.ndarray, worst: np.ndarray) -> float:
    """Returns the area that the points dominate up to `worst`; columns are maximized and minimized.

    Args:
        points: (n, 2).
        worst: (2,) the corner that is worst in both.
    """
    area, best, before = 0.0, worst[0], worst[1]
    for value, cost in points[np.lexsort((-points[:, 0], points[:, 1]))]:
        if value > best and cost < worst[1]:
            area += (best - worst[0]) * (cost - before) if best > worst[0] else 0.0
            best, before = value, cost
    return float(area + (best - worst[0]) * (worst[1] - before))


def searched(name: str, seed: int, evaluations: int) -> tuple[str, int, list[float], float]:
    """Runs one search; returns its hypervolume at each mark, relative to the exact front's, and the seconds."""
    start = time.perf_counter()

    def look_up(chosen: Any) -> Result:
        row = _cells.row(chosen)
        return Result(row, [float(_points[row, 0]) / 100, float(_points[row, 1])])

    base, _, population = name.partition("-")
    given = {"settings": {"population_size": int(population)}} if population else {}
    sampler = make_controller(base, seed, **given)
    rows = run_search(sampler, ["maximize", "minimize"], _cells.choices, look_up, evaluations)
    worst = np.array([_points[:, 0].min(), _points[:, 1].max()])
    exact = hypervolume(_points, worst)
    shares = [hypervolume(_points[rows[:mark]], worst) / exact for mark in MARKS if mark <= evaluations]
    return name, seed, shares, time.perf_counter() - start


def main() -> None:
    """Runs all searches in all processes, then writes and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--valid", default="acc12_cifar10_valid")
    parser.add_argument("--latency", default="pixel3", help="array of nb201_latency.npz beside the table")
    parser.add_argument("--controllers", default=",".join(CONTROLLERS), help="nsga2-20: with a population of 20")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    names = given.controllers.split(",")
    setup = (given.table, given.valid, given.latency)
    prepare(*setup)
    marks = [mark for mark in MARKS if mark <= given.evaluations]
    shares = {name: np.zeros((given.seeds, len(marks))) for name in names}
    seconds = dict.fromkeys(names, 0.0)
    with ProcessPoolExecutor(given.processes, initializer=prepare, initargs=setup) as pool:
        jobs = [pool.submit(searched, name, seed, given.evaluations) for seed in range(given.seeds) for name in names]
        for done in tqdm(as_completed(jobs), total=len(jobs), unit="search", mininterval=1.0):
            name, seed, found, took = done.result()
            shares[name][seed] = found
            seconds[name] += took
    results: dict[str, Any] = {}
    for name in names:
        results[name] = {
            "hypervolume_mean": dict(zip(marks, shares[name].mean(0).round(5).tolist(), strict=True)),
            "hypervolume_sd": dict(zip(marks, shares[name].std(0).round(5).tolist(), strict=True)),
            "hypervolume_min": dict(zip(marks, shares[name].min(0).round(5).tolist(), strict=True)),
            "seconds_per_search": round(seconds[name] / given.seeds, 3),
        }
        if name != names[-1] and np.any(shares[names[-1]] != shares[name]):
            p = float(wilcoxon(shares[names[-1]][:, -1], shares[name][:, -1]).pvalue)
            results[name][f"p_{names[-1]}_differs"] = p
    worst = [float(_points[:, 0].min()), float(_points[:, 1].max())]
    facts = {"seeds": given.seeds, "evaluations": given.evaluations, "valid": given.valid, "latency": given.latency}
    write_json(given.out, {"schema": 1, **machine(), **facts, "reference_point": worst, "controllers": results})
    print(f"{'controller':18}" + "".join(f"{mark:>16}" for mark in marks) + "   s/search")
    for name, result in results.items():
        mean, deviation = result["hypervolume_mean"], result["hypervolume_sd"]
        cells = "".join(f"{mean[mark]:>9.4f}±{deviation[mark]:<6.4f}" for mark in marks)
        print(f"{name:18}{cells}   {result['seconds_per_search']:>8.2f}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"nastk: {error}", file=sys.stderr)
        sys.exit(2)
