"""Compares controllers on NAS-Bench-201 at equal numbers of trained cells, over many seeds, with a test against random.

python scripts/benchmarks/nas_bench_201.py --table nb201_cifar10.npz --seeds 100 --evaluations 150 --out FILE.json
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

from nastk.errors import UserError, unknown
from nastk.evaluators.tabular import TabularEvaluator
from nastk.files import write_bytes, write_json

MARKS = (25, 50, 100, 150, 300)
CONTROLLERS = ("random", "tpe", "evolution", "local_search", "reinforce", "ppo", "predictor")
KNOWN = (*CONTROLLERS, "nsga2", "pareto_evolution")
ENCODED = ("predictor",)

_cells: Cells
_valid: str
_encode: bool


def prepare(table: str, valid: str, test: str, encode: bool) -> None:
    """Loads the table once in every process."""
    global _cells, _valid, _encode
    evaluator = TabularEvaluator(table, valid=valid, test=test, cost=None, params=None)
    _cells, _valid, _encode = Cells(evaluator, [valid, test]), valid, encode


def rows_of(name: str, seed: int, evaluations: int) -> tuple[str, int, list[int], float]:
    """Runs one search; returns the rows in the order they were tried, and the seconds it took."""
    start = time.perf_counter()
    given = {"encode": _cells.encode} if _encode and name in ENCODED else {}
    accuracy = _cells.results[_valid] / 100

    def look_up(chosen: Any) -> Result:
        row = _cells.row(chosen)
        return Result(row, [float(accuracy[row])])

    rows = run_search(make_controller(name, seed, **given), ["maximize"], _cells.choices, look_up, evaluations)
    return name, seed, rows, time.perf_counter() - start


def summary(rows: list[list[int]], valid: np.ndarray, test: np.ndarray, marks: list[int]) -> dict[str, Any]:
    """Returns what the table shows of one controller: at each mark, over seeds."""
    best_row = int(np.nanargmax(valid))
    chosen = np.array([[seed[int(np.argmax(valid[seed[:mark]]))] for mark in marks] for seed in rows])
    found_at = [seed.index(best_row) + 1 if best_row in seed else None for seed in rows]
    return {
        "valid_mean": dict(zip(marks, valid[chosen].mean(0).round(4).tolist(), strict=True)),
        "valid_sd": dict(zip(marks, valid[chosen].std(0).round(4).tolist(), strict=True)),
        "test_mean": dict(zip(marks, test[chosen].mean(0).round(4).tolist(), strict=True)),
        "test_sd": dict(zip(marks, test[chosen].std(0).round(4).tolist(), strict=True)),
        "share_best_cell": {mark: sum(at is not None and at <= mark for at in found_at) / len(rows) for mark in marks},
        "found_best_at": found_at,
        "distinct_cells": [len(seed) for seed in rows],
        "test_of_seed": {mark: test[chosen[:, index]].round(4).tolist() for index, mark in enumerate(marks)},
    }


def against_random(results: dict[str, Any], marks: list[int]) -> None:
    """Adds a paired, two-sided Wilcoxon test against random, seed by seed, to every other controller."""
    if "random" not in results:
        return
    for name, result in results.items():
        if name == "random":
            continue
        result["against_random"] = {}
        for mark in marks:
            difference = np.array(result["test_of_seed"][mark]) - np.array(results["random"]["test_of_seed"][mark])
            p = float(wilcoxon(difference).pvalue) if np.any(difference != 0) else 1.0
            result["against_random"][mark] = {"mean_difference": round(float(difference.mean()), 4), "p": p}


def plot(results: dict[str, Any], curves: dict[str, np.ndarray], path: Path, title: str) -> None:
    """Draws the mean test accuracy of the best cell so far, with a band of one standard error."""
    import io

    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), constrained_layout=True)
    for name in results:
        mean, error = curves[name].mean(0), curves[name].std(0) / np.sqrt(len(curves[name]))
        x = np.arange(1, len(mean) + 1)
        (line,) = axes.plot(x, mean, label=name)
        axes.fill_between(x, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)
    low = min(float(curve.mean(0)[min(24, curve.shape[1] - 1)]) for curve in curves.values())
    axes.set(xlabel="trained cells", ylabel="test accuracy of the best cell so far, %", title=title)
    axes.set_ylim(bottom=low - 0.2)
    axes.grid(alpha=0.3)
    axes.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    write_bytes(path, image.getvalue())


def best_so_far(rows: list[list[int]], valid: np.ndarray, test: np.ndarray, evaluations: int) -> np.ndarray:
    """Returns (seeds, evaluations): the test accuracy of the cell that was best by validation so far."""
    curves = np.empty((len(rows), evaluations))
    for index, seed in enumerate(rows):
        values = valid[seed]
        leader = np.maximum.accumulate(values)
        at = np.array([int(np.argmax(values[: step + 1] >= leader[step])) for step in range(len(seed))])
        curve = test[np.array(seed)[at]]
        curves[index, : len(seed)] = curve
        curves[index, len(seed) :] = curve[-1]
    return curves


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", required=True, help="NAS-Bench-201 in the layout of evaluator=tabular, .npz")
    parser.add_argument("--valid", default="acc12_cifar10_valid", help="array the search sees, %%")
    parser.add_argument("--test", default="acc200_cifar10_test_nats", help="array that is reported, %%")
    parser.add_argument("--controllers", default=",".join(CONTROLLERS), help="names in conf/controller/, by commas")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--evaluations", type=int, default=150, help="distinct cells a search")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--no-encoding", action="store_true", help="predictor sees the choices alone, no cell graph")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; the plot lies beside it as .png")
    return parser.parse_args()


def main() -> None:
    """Runs all searches in all processes, then writes the figures and the plot."""
    given = arguments()
    names = given.controllers.split(",")
    for name in names:
        if name not in KNOWN:
            raise unknown("controller", name, KNOWN)
    if given.seeds < 1 or given.evaluations < 1:
        raise UserError(f"--seeds {given.seeds} --evaluations {given.evaluations}: expected at least 1 of each")
    setup = (given.table, given.valid, given.test, not given.no_encoding)
    prepare(*setup)
    valid, test = _cells.results[given.valid], _cells.results[given.test]
    origin, start = machine(), time.time()
    found: dict[str, dict[int, list[int]]] = {name: {} for name in names}
    seconds = dict.fromkeys(names, 0.0)
    jobs = [(name, seed) for seed in range(given.seeds) for name in names]
    with ProcessPoolExecutor(given.processes, initializer=prepare, initargs=setup) as pool:
        waiting = [pool.submit(rows_of, name, seed, given.evaluations) for name, seed in jobs]
        for done in tqdm(as_completed(waiting), total=len(waiting), unit="search", mininterval=1.0):
            name, seed, rows, took = done.result()
            found[name][seed] = rows
            seconds[name] += took
    marks = [mark for mark in MARKS if mark <= given.evaluations] or [given.evaluations]
    ordered = {name: [found[name][seed] for seed in range(given.seeds)] for name in names}
    results = {name: summary(rows, valid, test, marks) for name, rows in ordered.items()}
    against_random(results, marks)
    for name in names:
        results[name]["seconds_per_search"] = round(seconds[name] / given.seeds, 3)
    best = int(np.nanargmax(valid))
    report = {
        "schema": 1,
        **origin,
        "seeds": given.seeds,
        "evaluations": given.evaluations,
        "valid": given.valid,
        "test": given.test,
        "best_cell": {"row": best, "valid": float(valid[best]), "test": float(test[best])},
        "seconds": round(time.time() - start, 1),
        "controllers": results,
    }
    write_json(given.out, report)
    curves = {name: best_so_far(rows, valid, test, given.evaluations) for name, rows in ordered.items()}
    title = f"NAS-Bench-201, {given.test}, mean of {given.seeds} seeds"
    plot(results, curves, given.out.with_suffix(".png"), title)
    print_table(results, marks)


def print_table(results: dict[str, Any], marks: list[int]) -> None:
    """Prints the mean test accuracy at each mark, and how the last mark compares with random."""
    print(
        f"{'controller':18}" + "".join(f"{mark:>14}" for mark in marks) + "   best cell   s/search   p against random"
    )
    for name, result in results.items():
        cells = "".join(f"{result['test_mean'][mark]:>8.2f}±{result['test_sd'][mark]:<5.2f}" for mark in marks)
        p = f"{result['against_random'][marks[-1]]['p']:.1e}" if "against_random" in result else ""
        share = f"{result['share_best_cell'][marks[-1]]:>9.0%}"
        print(f"{name:18}{cells}   {share}   {result['seconds_per_search']:>8.2f}   {p}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"nastk: {error}", file=sys.stderr)
        sys.exit(2)
