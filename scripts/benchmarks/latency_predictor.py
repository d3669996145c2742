"""Judges the learned latency predictor on measured latencies of all 15,625 cells of NAS-Bench-201, on several devices.

    python scripts/benchmarks/latency_predictor.py --table shared/data/tables/nb201_latency.npz \\
        --out scripts/benchmarks/reports/<date>-latency-predictor.md

For every device, number of training cells and seed, `nastk.deploy.cost` and gradient boosting on one-hot edges
learn from the same random cells and are judged on all others: share within +-10 % of the measured latency, and
Kendall's tau. The cells' operations come from nb201_cifar10.npz beside the table, which has the same row order. With
`--write FOLDER` a predictor of each device, learned from all cells, is written there.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from machine import machine
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.ensemble import GradientBoostingRegressor

from nastk.deploy.cost.learned import LearnedLatency, learn_latency, write_learned
from nastk.evaluators.tabular import EDGES, read_arrays
from nastk.genotype import Genotype
from nastk.spaces.nasbench201 import from_arch_string

Floats = NDArray[np.float64]
# Share within 10 % and tau that gradient boosting on one-hot edges was said to reach, by device and training cells.
GIVEN = {
    ("pixel3", 900): (0.58, 0.83),
    ("raspi4", 900): (0.56, 0.84),
    ("gold_6226", 900): (0.96, 0.92),
    ("1080ti_1", 900): (1.00, 0.91),
    ("pixel3", 100): (0.42, None),
    ("raspi4", 100): (0.32, None),
    ("gold_6226", 100): (0.89, None),
    ("1080ti_1", 100): (0.99, None),
}
NAMES = {
    "pixel3": "Pixel 3",
    "raspi4": "Raspberry Pi 4",
    "gold_6226": "Xeon Gold 6226",
    "1080ti_1": "GTX 1080 Ti, batch 1",
    "1080ti_32": "GTX 1080 Ti, batch 32",
    "1080ti_256": "GTX 1080 Ti, batch 256",
}
# Stumps are best where latency is a plain sum over the edges, deeper trees where it is not.
BOOSTING = {
    "boosted stumps": {"n_estimators": 1000, "max_depth": 1, "learning_rate": 0.2, "random_state": 0},
    "boosted trees": {"n_estimators": 500, "max_depth": 3, "learning_rate": 0.05, "subsample": 0.5, "random_state": 0},
}
SOURCE = {"measured_by": "HELP (Lee et al., 2021), nb201_latency.npz", "space": "nasbench201"}


@dataclass(frozen=True)
class Judged:
    """Five seeds' results of one device, method and number of training cells: (seeds,) each."""

    device: str
    cells: int
    method: str
    within: Floats
    tau: Floats
    readings: tuple[str, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="nb201_latency.npz")
    parser.add_argument("--cells", type=Path, help="file with op_names and ops; default: nb201_cifar10.npz beside it")
    parser.add_argument("--devices", nargs="+", default=["pixel3", "raspi4", "gold_6226", "1080ti_1"])
    parser.add_argument("--train", nargs="+", type=int, default=[900, 100], help="cells to learn from")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="folder to write a predictor of each device to")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    start = time.perf_counter()
    table = read_arrays(arguments.table, arguments.devices)
    cells = read_arrays(arguments.cells or arguments.table.with_name("nb201_cifar10.npz"), ["op_names", "ops"])
    genotypes = list(genotypes_of(cells["op_names"], cells["ops"]))
    one_hot = np.eye(len(cells["op_names"]))[cells["ops"]].reshape(len(genotypes), -1)
    judged = []
    for device in arguments.devices:
        latencies = table[device].astype(np.float64)
        for count in arguments.train:
            found = list(_judge(device, count, genotypes, one_hot, latencies, arguments.seeds))
            judged += found
            print(*(_line(one) for one in found), sep="\n", file=sys.stderr)
        if arguments.write is not None:
            arguments.write.mkdir(parents=True, exist_ok=True)
            facts = {"name": NAMES.get(device, device), **SOURCE}
            write_learned(arguments.write / f"{device}.json", learn_latency(genotypes, latencies.tolist(), facts))
    text = _report(judged, arguments.seeds, time.perf_counter() - start)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


def _judge(
    device: str, count: int, genotypes: Sequence[Genotype], one_hot: Floats, latencies: Floats, seeds: int
) -> Iterator[Judged]:
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ("nastk", *BOOSTING)}
    readings = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(genotypes))
        train, rest = order[:count], order[count:]
        learned: LearnedLatency = learn_latency(
            [genotypes[index] for index in train], latencies[train].tolist(), {"name": device}
        )
        readings.append(learned.reading)
        ours = np.array([learned.predict(genotypes[index]) for index in rest])
        guesses = {"nastk": ours}
        for name, settings in BOOSTING.items():
            model = GradientBoostingRegressor(**settings).fit(one_hot[train], latencies[train])
            guesses[name] = model.predict(one_hot[rest])
        for name, predicted in guesses.items():
            within = float(np.mean(np.abs(predicted - latencies[rest]) <= 0.1 * latencies[rest]))
            results[name].append((within, float(kendalltau(predicted, latencies[rest]).statistic)))
    for name, pairs in results.items():
        within, tau = np.array(pairs).T
        yield Judged(device, count, name, within, tau, tuple(readings) if name == "nastk" else ())


def genotypes_of(names: Sequence[str], ops: NDArray[np.int64]) -> Iterator[Genotype]:
    for row in ops.tolist():
        edges = iter(row)
        nodes = ("".join(f"{names[next(edges)]}~{state}|" for state in states) for states in EDGES)
        yield from_arch_string("+".join("|" + node for node in nodes))


def _line(one: Judged) -> str:
    given = GIVEN.get((one.device, one.cells), (None, None))
    asked = "/".join("-" if value is None else f"{value:.2f}" for value in given)
    readings = ", ".join(f"{name} {one.readings.count(name)}" for name in dict.fromkeys(one.readings))
    return (
        f"| {NAMES.get(one.device, one.device)} | {one.cells} | {one.method} | {one.within.mean():.4f} "
        f"({one.within.min():.4f} to {one.within.max():.4f}) | {one.tau.mean():.4f} "
        f"({one.tau.min():.4f} to {one.tau.max():.4f}) | {asked} | {readings} |"
    )


def _report(judged: Sequence[Judged], seeds: int, seconds: float) -> str:
    facts = machine()
    lines = [
        "# The learned latency predictor",
        "",
        f"`python {shlex.join(sys.argv)}`",
        "",
        *(f"- {name}: {value}" for name, value in facts.items() if name != "command"),
        f"- seconds: {seconds:.0f}",
        "",
        "NAS-Bench-201, latencies measured by HELP (Lee et al., 'HELP: Hardware-Adaptive Efficient Latency",
        "Prediction for NAS via Meta-Learning', NeurIPS 2021). Each of the methods learns from the same random",
        f"cells and is judged on all the others of the 15,625; mean over {seeds} seeds, least and greatest in",
        "brackets. Within 10 %: share of cells whose predicted latency is within 10 % of the measured one. Boosted:",
        "scikit-learn's gradient boosting on one-hot edges, stumps being best where latency is a plain sum over the",
        "edges and deeper trees where it is not. Given: share and tau that the issue names for gradient boosting on",
        "one-hot edges. Reading: which operations the predictor found the device to run, with the number of seeds:",
        "every one, those that the output needed, those and lone ones (kept), or each kind apart. The form of the",
        "predictor was chosen on splits of other seeds.",
        "",
        "| device | cells | method | within 10 % | Kendall's tau | given | reading |",
        "|---|---|---|---|---|---|---|",
        *map(_line, judged),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
