"""Compares the latency that a table of operations foretells with the measured one, on held-out cells on this machine.

    python scripts/benchmarks/latency_table.py --out scripts/benchmarks/reports/<date>-latency-table.md

For each space a table is measured as `python -m nastk.bench ops=true` does, from its own random networks, and then the
latency of `--cells` other random networks: in five rounds over all of them, the quickest median of each counting. Two
further such measurements say how well the measurement agrees with itself. MACs are what one would use without a table.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from scipy.stats import kendalltau

from nastk.deploy.cost.cost import static_cost
from nastk.deploy.cost.op_bench import measure_ops, written
from nastk.deploy.runtimes.latency import quick_latency
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session
from nastk.deploy.targets.cpu import CpuTarget
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import NASNET
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace, Space, random_genotype

SPACES: dict[str, Space] = {"nasbench201": NasBench201Space(), "nasnet": NasnetSpace(), "darts": DartsSpace()}
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", nargs="+", default=["nasbench201", "nasnet", "darts"], choices=SPACES)
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--networks", type=int, default=40, help="timed for the table, at least")
    parser.add_argument("--cells", type=int, default=100, help="held out")
    parser.add_argument("--depth", type=int, default=2, help="N, normal cells a stack")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each measurement of a network")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = NetworkConfig(cells=arguments.depth, filters=arguments.filters)
    begin = time.perf_counter()
    lines = []
    for name, precision in itertools.product(arguments.spaces, arguments.precisions):
        target = CpuTarget(precision=precision, seconds=arguments.seconds)
        lines.append(_row(name, config, target, arguments.networks, arguments.cells))
        print(lines[-1], file=sys.stderr)
    text = _report(lines, config, time.perf_counter() - begin)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


def _row(name: str, config: NetworkConfig, target: CpuTarget, networks: int, cells: int) -> str:
    start = time.perf_counter()
    table = measure_ops(
        _draws(SPACES[name], 0), config, target, networks, lambda line: print(f"{name}: {line}", file=sys.stderr)
    )
    seconds = time.perf_counter() - start
    foretold, macs, sessions = [], [], []
    missing = 0
    for genotype in itertools.islice(_draws(SPACES[name], 1), 2 * cells):
        one = written(genotype, config, target.precision)
        try:
            foretold.append(table.latency(one.model))
        except UserError as error:
            print(error, file=sys.stderr)
            missing += 1
            continue
        macs.append(static_cost(genotype, config).macs)
        sessions.append(open_session(one.file, target.threads))
        if len(sessions) == cells:
            break
    shape = target.batch, config.channels, config.size, config.size
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    rounds = np.array(
        [[quick_latency(one, images, seconds=target.seconds) for one in sessions] for _ in range(2 * ROUNDS)]
    )
    measured, again = rounds[::2].min(axis=0), rounds[1::2].min(axis=0)
    predicted = np.array(foretold)
    within = np.mean(np.abs(predicted - measured) <= 0.1 * measured)
    return (
        f"| {name} | {target.precision} | {len(table.rows)} | {table.networks} | {seconds:.0f} | {len(sessions)} | "
        f"{missing} | {measured.min():.3f} to {measured.max():.3f} | {kendalltau(predicted, measured).statistic:.3f} | "
        f"{within:.2f} | {kendalltau(measured, again).statistic:.3f} | {kendalltau(macs, measured).statistic:.3f} |"
    )


def _draws(space: Space, seed: int) -> Iterator[Genotype]:
    """Yields random genotypes; those of even seeds and of odd ones share no cell."""
    rng = random.Random(seed)
    while True:
        genotype = random_genotype(space, rng)
        if int(genotype.key, 16) % 2 == seed % 2:
            yield genotype


def _report(lines: list[str], config: NetworkConfig, seconds: float) -> str:
    facts = {"date": time.strftime("%Y-%m-%d"), "commit": git_commit(), **machine_facts(), **versions()}
    return "\n".join(
        [
            "# The table of operations against measured networks",
            "",
            f"`python {shlex.join(sys.argv)}`",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- seconds: {seconds:.0f}",
            "",
            f"Networks of {NASNET.told(config.sizes)}, {config.size} pixels, batch 1, one thread. Held-out",
            "cells are other cells than the table's. tau: Kendall's, of foretold and measured latency. Within 10 %:",
            "share of held-out networks whose foretold latency is. Itself: tau of two measurements, each the quickest",
            "of five medians; no table can be better. MACs: tau of multiply-accumulates and measured latency.",
            "",
            "| space | precision | rows | networks | seconds | held out | without a row | ms | tau "
            "| within 10 % | itself | MACs |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
