"""Replays searches within a latency budget, in int8, in float32 or in MACs, on the cells that int8_search.py trained.

    python scripts/benchmarks/int8_budget.py --cells FOLDER --report FILE.md

FOLDER is the --out of int8_search.py. A search draws cells at random, rejects what is over its limit, and trains so
many others, as `controller=random objective.max_latency_ms=...` does. All limits let the same share of cells pass.
Nothing is trained here, so that hundreds of seeds cost seconds; they draw from one pool, so their spread is that of
the draw alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from int8_search_report import BY, difference, front
from machine import machine
from nas_bench_201_pareto import hypervolume

from nastk.outside import read_json

SHARES = (0.25, 0.5)


def main() -> None:
    """Replays all searches and writes the report."""
    options = parse()
    metrics = {path.stem: read_json(path)["metrics"] for path in sorted((options.cells / "cells").glob("*.json"))}
    times: dict[str, float] = read_json(options.cells / "times.json")
    metrics = {key: values for key, values in metrics.items() if key in times}
    lines = []
    for share in SHARES:
        results = replayed(metrics, times, share, options.trials, options.seeds)
        for arm, (areas, best, within) in results.items():
            first_areas, first_best, _ = results["int8"]
            gaps = ("", "") if arm == "int8" else (difference(first_areas, areas), difference(first_best, best))
            lines.append(
                f"| {share:.0%} | {arm} | {np.mean(areas):.3f} ± {np.std(areas, ddof=1):.3f} | {gaps[0]} | "
                f"{np.mean(best):.2f} ± {np.std(best, ddof=1):.2f} | {gaps[1]} | {100 * np.mean(within):.0f} % |"
            )
    facts = machine()
    text = [
        "# A latency budget in int8, in float32, in MACs",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        f"{len(metrics)} cells that `int8_search.py` trained in NASNet's space, replayed: each of {options.seeds} "
        "seeds draws cells at random; a search rejects what is over its limit and trains "
        f"{options.trials} others. A limit lets the share of the first column pass, by the measurement that the search "
        "saw; all sides see the same draws. Judged by int8 accuracy and by int8 latency measured again: *front*, the "
        "hypervolume of the front that a search holds, within the int8 limit and above the pool's median accuracy, as "
        "a share of the pool's; *best*, the int8 accuracy in % of the most accurate cell of its front that keeps the "
        "int8 limit; *keeps*, the share of searches whose most accurate cell, the one to ship, keeps it. Mean and "
        "standard deviation over the seeds; int8 minus the other with a 95 % interval, of the draw from the pool only.",
        "",
        "| passes | limit in | front | int8 minus this | best | int8 minus this | keeps |",
        "|---|---|---|---|---|---|---|",
        *lines,
        "",
    ]
    options.report.write_text("\n".join(text))
    print(options.report)


def replayed(
    metrics: dict[str, dict[str, float]], times: dict[str, float], share: float, trials: int, seeds: int
) -> dict[str, tuple[list[float], list[float], list[bool]]]:
    """Returns for each arm, over the seeds, the share of hypervolume, the best accuracy in %, and whether it keeps."""
    keys = list(metrics)
    limit = float(np.quantile([times[key] for key in keys], share))
    corner = np.array([np.median([metrics[key]["int8_accuracy"] for key in keys]), limit])
    points = {key: (metrics[key]["int8_accuracy"], times[key]) for key in keys}
    whole = hypervolume(np.array(list(points.values())), corner)
    results: dict[str, tuple[list[float], list[float], list[bool]]] = {arm: ([], [], []) for arm in BY}
    for seed in range(seeds):
        drawn = [keys[index] for index in np.random.default_rng(seed).permutation(len(keys))]
        for arm, (accuracy, cost) in BY.items():
            most = float(np.quantile([metrics[key][cost] for key in keys], share))
            trained = [key for key in drawn if metrics[key][cost] <= most][:trials]
            held = front(trained, metrics, accuracy, cost)
            ship = max(held, key=lambda key: metrics[key][accuracy])
            areas, best, within = results[arm]
            areas.append(hypervolume(np.array([points[key] for key in held]), corner) / whole)
            kept = [points[key][0] for key in held if times[key] <= limit]
            best.append(100 * max(kept, default=float(corner[0])))
            within.append(times[ship] <= limit)
    return results


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=Path, required=True, help="the --out of int8_search.py")
    parser.add_argument("--report", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
