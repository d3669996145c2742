"""Judges latency predictors from a few measurements on a new device, with a library of devices that are known.

    python scripts/benchmarks/few_samples.py --table shared/data/tables/nb201_latency.npz \\
        --networks scripts/benchmarks/reports/<date>-few-{mobile,nasnet}.json \\
        --out scripts/benchmarks/reports/<date>-few-samples.md

Of the cells of NAS-Bench-201 each setting is left out in turn and is the new device, the others are the library. A seed
draws a pool of cells; which of these are measured is chosen as `python -m nastk.bench few=10` does, or they are the
first of the pool. Every predictor is judged on all cells that were not measured. Of the networks in the files that
few_latencies.py has written the same, with a library of the other ways to run them, of some, of analytic devices, or of
both. `--table` may be left out: then networks alone.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from few_samples_report import Judged, report
from latency_predictor import genotypes_of
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import spearmanr

from nastk.deploy.cost.choose import chosen_networks
from nastk.deploy.cost.few import fit_few
from nastk.deploy.cost.known_devices import analytic_latencies, library_latencies
from nastk.deploy.cost.learned import LEAST_PAIRS, LearnedLatency, learn_latency
from nastk.deploy.cost.prior import Prior, device_priors
from nastk.deploy.cost.term_table import TermTable, term_tables
from nastk.deploy.cost.workload import WORK, total
from nastk.errors import UserError
from nastk.evaluators.tabular import read_arrays
from nastk.genotype import Genotype

Floats = NDArray[np.float64]
DEVICES = ("1080ti_1", "1080ti_32", "1080ti_256", "gold_6226", "pixel3", "raspi4")
COUNTS = (10, 20, 100)
ANALYTIC = "analytic"  # stands in a library for the devices that are thought up


@dataclass(frozen=True)
class Bench:
    """Networks with what they are made of, and their latencies by device; `macs` of each in any unit."""

    genotypes: Sequence[Genotype]
    tables: Sequence[TermTable]
    latencies: dict[str, Floats]
    macs: Floats
    pool: int
    graphs: Sequence[Mapping[str, float]] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="nb201_latency.npz, nb201_cifar10.npz beside it")
    parser.add_argument("--networks", type=Path, nargs="*", default=[], help="files of few_latencies.py")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pool", type=int, default=1000, help="cells that are drawn, to choose from")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    start = time.perf_counter()
    found: dict[str, list[Judged]] = {}
    if arguments.table is not None:
        cells = _cells(arguments.table, arguments.pool)
        others = {name: [other for other in DEVICES if other != name] for name in DEVICES}
        # The three settings of one GPU know each other; without them the library of each has three devices.
        apart = {name: [other for other in DEVICES if other[:6] != name[:6]] for name in DEVICES[:3]}
        found["cells"] = list(_every(cells, others, COUNTS, arguments.seeds))
        found["cells, whole device out"] = list(_every(cells, apart, COUNTS[:1], arguments.seeds))
    for path in arguments.networks:
        bench = _networks(path)
        names, space = list(bench.latencies), path.stem.rpartition("-")[2]
        others = {name: [other for other in names if other != name] for name in names}
        float32 = {name: [other for other in names if "int8" not in other] for name in names if "int8" in name}
        none: dict[str, list[str]] = {name: [] for name in names}
        both = {name: [*others[name], ANALYTIC] for name in names}
        libraries = {"": others, ", int8 from float32": float32, ", analytic library": none, ", both": both}
        for title, library in libraries.items():
            found[space + title] = list(_every(bench, library, COUNTS[:2], arguments.seeds))
    text = report(found, shlex.join(sys.argv), time.perf_counter() - start)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


def _cells(path: Path, pool: int) -> Bench:
    table = read_arrays(path, list(DEVICES))
    cells = read_arrays(path.with_name("nb201_cifar10.npz"), ["op_names", "ops"])
    genotypes = list(genotypes_of(cells["op_names"], cells["ops"]))
    names = [str(name) for name in cells["op_names"]]
    macs = np.isin(cells["ops"], names.index("nor_conv_3x3")).sum(1) * 9.0
    macs += np.isin(cells["ops"], names.index("nor_conv_1x1")).sum(1)
    latencies = {name: table[name].astype(np.float64) for name in DEVICES}
    return Bench(genotypes, term_tables(genotypes), latencies, macs, pool)


def _networks(path: Path) -> Bench:
    content = json.loads(path.read_text())
    genotypes = [Genotype.from_dict(one) for one in content["genotypes"]]
    graphs = content["graph_terms"]
    latencies = {name: np.array(values) for name, values in content["cpu_ms"].items()}
    macs = np.array([total(one, WORK) for one in graphs])
    return Bench(genotypes, term_tables(genotypes, graphs), latencies, macs, 3 * len(genotypes) // 4, graphs)


def _every(bench: Bench, libraries: dict[str, list[str]], counts: Sequence[int], seeds: int) -> Iterator[Judged]:
    for device, library in libraries.items():
        scores: dict[tuple[int, str], list[tuple[float, float]]] = {}
        for seed in range(seeds):
            for what, score in _judged(bench, device, library, counts, seed):
                scores.setdefault(what, []).append(score)
        for (count, name), pairs in scores.items():
            rank, within = np.array(pairs).T
            yield Judged(device, count, name, rank, within)
        print(device, *(f"{what} {np.mean(one, axis=0).round(3)}" for what, one in scores.items()), file=sys.stderr)


def _judged(
    bench: Bench, device: str, library: Sequence[str], counts: Sequence[int], seed: int
) -> Iterator[tuple[tuple[int, str], tuple[float, float]]]:
    truth = bench.latencies[device]
    pool = np.random.default_rng(seed).permutation(len(truth))[: bench.pool]
    known = _library(bench, library)
    tables = [table.part(pool.tolist()) for table in bench.tables]
    priors = device_priors(tables, known[:, pool])
    chosen = pool[chosen_networks(tables, priors, known[:, pool], max(counts))]
    bare = [_bare(prior) for prior in priors]
    for count in counts:
        for name, places, knowing in (
            ("chosen", chosen[:count], priors),
            ("drawn", pool[:count], priors),
            ("chosen, no library", chosen[:count], bare),
            ("drawn, no library", pool[:count], bare),
        ):
            parts = [table.part(places.tolist()) for table in bench.tables]
            fit = fit_few(knowing, parts, truth[places].tolist())
            whole = next(table for table in bench.tables if table.reading == fit.reading)
            yield (count, name), _score(fit.predict(whole.counts), truth, places)
        for name, guess in _baselines(bench, known, truth, chosen[:count]).items():
            yield (count, name), _score(guess, truth, chosen[:count])


def _bare(prior: Prior) -> Prior:
    """Returns a prior that knows of no device: every network takes as long, give or take."""
    mean = np.zeros_like(prior.mean)
    mean[0] = 1.0
    return Prior(prior.reading, prior.terms, mean, np.zeros_like(prior.covariance), prior.scale)


def _library(bench: Bench, names: Sequence[str]) -> Floats:
    known = [bench.latencies[name].tolist() for name in names if name != ANALYTIC]
    if ANALYTIC in names:
        known += analytic_latencies(bench.graphs).tolist()
    return library_latencies(known, bench.graphs)


def _baselines(bench: Bench, known: Floats, truth: Floats, places: NDArray[np.int64]) -> dict[str, Floats]:
    found = truth[places]
    nearest = max(known, key=lambda one: spearmanr(one[places], found).statistic)
    shares, _ = nnls((known[:, places] / found).T, np.ones(len(places)))
    guesses = {
        "MACs": bench.macs * np.median(found / np.maximum(bench.macs[places], 1e-3 * bench.macs.max())),
        "nearest device": nearest * np.median(found / nearest[places]),
        "mixture of devices": shares @ known,
    }
    if len(places) >= LEAST_PAIRS:
        learned = learn_latency([bench.genotypes[place] for place in places], found.tolist(), {"name": "new"})
        guesses["learn=PAIRS"] = np.array([_or_none(learned, one) for one in bench.genotypes])
    return guesses


def _or_none(learned: LearnedLatency, genotype: Genotype) -> float:
    try:
        return float(learned.predict(genotype))
    except UserError:
        return float("nan")  # an operation that none of the few has


def _score(guess: Floats, truth: Floats, measured: NDArray[np.int64]) -> tuple[float, float]:
    rest = np.setdiff1d(np.arange(len(truth)), measured)
    guess = np.where(np.isfinite(guess), guess, np.nanmedian(guess))
    within = float(np.mean(np.abs(guess[rest] - truth[rest]) <= 0.1 * truth[rest]))
    return float(spearmanr(guess[rest], truth[rest]).statistic), within


if __name__ == "__main__":
    main()
