"""Compares searches by int8 latency, float32 latency and MACs on NAS-Bench-201's table, with latencies measured here.

    python scripts/benchmarks/int8_search_table.py --table nb201_cifar10.npz --report FILE.md

Accuracy is the table's (searches see that of 12 epochs, the report that of 200), latency is of the published network,
N = 5 and F = 16 at 32 pixels, written and timed as this CPU would run it. What counts is the front of accuracy and int8
latency. int8 is taken to cost no accuracy, for the table has none of int8. Latencies are kept: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from int8_search_report import difference, front
from loop import Result, make_controller, run_search
from machine import machine
from nas_bench_201_pareto import hypervolume
from scipy.stats import kendalltau
from table_search import Cells
from tqdm import tqdm

from nastk.deploy.cost.cost import static_cost
from nastk.deploy.runtimes.latency import quick_latency
from nastk.deploy.runtimes.session import open_session
from nastk.evaluators.tabular import TabularEvaluator
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.outside import read_json

VALID, TEST = "acc12_cifar10_valid", "acc200_cifar10_test_nats"
NETWORK = NetworkConfig(stem="cifar", cells=5, filters=16, classes=10, channels=3, size=32)
ARMS = {"int8 latency": "int8_ms", "fp32 latency": "fp32_ms", "MACs": "macs", "random": "int8_ms"}
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 32, 32), dtype=np.float32)


class Costs:
    """What cells cost on this CPU, measured when first asked for and kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, float]] = read_json(path) if path.exists() else {}

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, genotype: Genotype) -> dict[str, float]:
        if genotype.key not in self._known:
            self._known[genotype.key] = self.measured(genotype)
            if len(self._known) % 20 == 0:
                self.save()
        return self._known[genotype.key]

    def measured(self, genotype: Genotype) -> dict[str, float]:
        """Returns `fp32_ms`, `int8_ms` and `macs` of the untrained network."""
        static = {precision: static_cost(genotype, NETWORK, precision) for precision in ("fp32", "int8")}
        times = {f"{name}_ms": quick_latency(open_session(cost.file, 1), IMAGE) for name, cost in static.items()}
        return {**times, "macs": float(static["fp32"].macs)}

    def column(self, name: str) -> list[float]:
        """Returns one figure of all cells."""
        return [cost[name] for cost in self._known.values()]

    def save(self) -> None:
        """Writes the file."""
        write_json(self._path, self._known)


def searched(arm: str, seed: int, trials: int, cells: Cells, costs: Costs) -> dict[int, Genotype]:
    """Runs one search; returns the cells that it trained, by their row of the table."""
    found: dict[int, Genotype] = {}

    def look_up(chosen: Mapping[str, Any]) -> Result:
        genotype, row = cells.genotype(chosen), cells.row(chosen)
        found[row] = genotype
        return Result(row, [float(cells.results[VALID][row]) / 100, costs[genotype][ARMS[arm]]])

    sampler = make_controller("random" if arm == "random" else "pareto_evolution", seed)
    rows = run_search(sampler, ["maximize", "minimize"], cells.choices, look_up, trials)
    return {row: found[row] for row in rows}


def main() -> None:
    """Searches, measures the fronts once more, and writes the report."""
    options = parse()
    cells = Cells(TabularEvaluator(options.table, valid=VALID, test=TEST, cost=None, params=None), [VALID, TEST])
    costs = Costs(options.out)
    todo = [(arm, seed) for seed in range(options.seeds) for arm in ARMS]
    runs = {key: searched(*key, options.trials, cells, costs) for key in tqdm(todo, unit="search")}
    costs.save()
    test = cells.results[TEST]
    held: dict[tuple[str, int], list[int]] = {}
    for (arm, seed), tried in runs.items():
        seen = {row: {"a": cells.results[VALID][row], "c": costs[tried[row]][ARMS[arm]]} for row in tried}
        held[arm, seed] = front(list(tried), seen, "a", "c")
    best = {row: runs[key][row] for key, rows in held.items() for row in rows}
    again = {row: min(costs.measured(genotype)["int8_ms"] for _ in range(3)) for row, genotype in tqdm(best.items())}
    corners = {
        "median": (float(np.median(test)), float(np.median(costs.column("int8_ms")))),
        "worst": (float(test.min()), float(max(costs.column("int8_ms")))),
    }
    exact = np.array([(test[row], again[row]) for row in best])
    lines = []
    for arm in ARMS:
        cells_of = f"| {arm} | "
        for corner in map(np.array, corners.values()):
            share = {
                name: [
                    hypervolume(np.array([(test[row], again[row]) for row in held[name, seed]]), corner)
                    / hypervolume(exact, corner)
                    for seed in range(options.seeds)
                ]
                for name in {arm, "int8 latency"}
            }
            gap = difference(share["int8 latency"], share[arm]) if arm != "int8 latency" else ""
            cells_of += f"{np.mean(share[arm]):.3f} ± {np.std(share[arm], ddof=1):.3f} | {gap} | "
        lines.append(cells_of.rstrip())
    facts = machine()
    text = [
        "# Search for int8 latency on NAS-Bench-201, by int8 latency, by float32 latency, by MACs, at random",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        f"{options.trials} cells a search, {options.seeds} seeds, the same budget, controller (pareto_evolution) and "
        "seeds on all sides but random's controller. Searches see the table's validation accuracy after 12 epochs and "
        "the latency that they search by; each then holds its own front. Judged is that front by the table's test "
        "accuracy after 200 epochs and the int8 latency (p50, batch 1, one thread, least of three new measurements): "
        "hypervolume as a share of that of all fronts together, mean and standard deviation, and int8 latency's share "
        "minus the other's with its 95 % interval over the seeds. From two corners: the median cell in both, so that "
        "only cells better than that count, and the worst cell. The accuracy is that of float32: the table has no "
        "other, so that int8 is taken to cost none.",
        "",
        "| search by | from the median | int8 minus this | from the worst | int8 minus this |",
        "|---|---|---|---|---|",
        *lines,
        "",
        f"Over the {len(costs)} cells that were measured, Kendall's tau of int8 latency with float32 latency is "
        f"{kendalltau(costs.column('int8_ms'), costs.column('fp32_ms')).statistic:.2f}, with MACs "
        f"{kendalltau(costs.column('int8_ms'), costs.column('macs')).statistic:.2f}.",
        "",
    ]
    options.report.write_text("\n".join(text))
    print(options.report)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="nb201_cifar10.npz")
    parser.add_argument("--out", type=Path, default=Path("runs/int8-search-table.json"), help="where latencies go")
    parser.add_argument("--report", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    main()
