"""Measures how soon each controller finds the best of the 6,561 trained networks of NAS-Bench-Macro.

    python scripts/benchmarks/nas_bench_macro.py --table nb_macro_cifar10.npz [--seeds 50] [--out REPORT.md]

The table (Su et al., CVPR 2021, https://arxiv.org/abs/2103.11922) has the test accuracy of three trainings of each
network. A search sees one of the three, another with every seed; what it chose, the best of what it saw, is judged by
the mean of all. Controllers have the settings of conf/controller, none of which was chosen on this table, and the
encoding that a search has. A network that is met again costs nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from loop import Result, make_controller, run_search
from machine import machine
from scipy.stats import binomtest, wilcoxon
from tqdm import tqdm

from nastk.config.build import build, load_yaml, shipped
from nastk.evaluators.tabular import read_arrays
from nastk.files import write_text
from nastk.spaces import StageSpace, replay

ARMS = ("predictor", "evolution", "local_search", "tpe", "random")
MARKS = (25, 50, 75, 100)


class Bench(NamedTuple):
    """The space, the options of its choices, the row of each network, and what three trainings gave, (n, 3)."""

    space: StageSpace
    choices: dict[str, tuple[Any, ...]]
    rows: dict[tuple[int, ...], int]
    accuracy: np.ndarray

    def row(self, chosen: Mapping[str, Any]) -> int:
        """Returns the table's row of choices."""
        return self.rows[tuple(options.index(chosen[name]) for name, options in self.choices.items())]


@lru_cache
def loaded(table: str) -> Bench:
    """Loads the table, once in every process."""
    space = cast(StageSpace, build(load_yaml(shipped("search_spaces") / "nas_bench_macro.yaml"), "space", StageSpace))
    choices: dict[str, tuple[Any, ...]] = {}
    space.genotype(lambda name, options: choices.setdefault(name, tuple(options))[0])
    found = read_arrays(Path(table), ["arch", "test_acc"])
    rows = {tuple(int(digit) for digit in arch): row for row, arch in enumerate(found["arch"])}
    return Bench(space, choices, rows, found["test_acc"].astype(float))


class Searched(NamedTuple):
    """One search: the networks in the order in which they were tried, and which training it saw."""

    arm: str
    seed: int
    rows: list[int]


def searched(table: str, arm: str, seed: int, evaluations: int) -> Searched:
    """Runs one search on the table."""
    bench = loaded(table)
    seen = bench.accuracy[:, seed % bench.accuracy.shape[1]]
    hooks = {"encode": lambda chosen: replay(bench.space, chosen).encoding()} if arm == "predictor" else {}

    def look_up(chosen: Mapping[str, Any]) -> Result:
        row = bench.row(chosen)
        return Result(row, [float(seen[row]) / 100])

    sampler = make_controller(arm, seed, **hooks)
    return Searched(arm, seed, run_search(sampler, ["maximize"], bench.choices, look_up, evaluations))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="nb_macro_cifar10.npz: arch (n, 8) and test_acc (n, 3)")
    parser.add_argument("--arms", default=",".join(ARMS), help="controllers, by commas")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--evaluations", type=int, default=max(MARKS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    given = parser.parse_args()
    arms = given.arms.split(",")
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = [
            pool.submit(searched, given.table, arm, seed, given.evaluations)
            for seed in range(given.seeds)
            for arm in arms
        ]
        found = [job.result() for job in tqdm(jobs, unit="search", mininterval=5.0)]
    text = report(loaded(given.table), found, arms)
    print(text)
    if given.out is not None:
        write_text(given.out, text)


def report(bench: Bench, found: Sequence[Searched], arms: Sequence[str]) -> str:
    """Returns the report in Markdown."""
    facts, mean = machine(), bench.accuracy.mean(axis=1)
    lines = [
        "# NAS-Bench-Macro as a search\n",
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}. {facts['versions']}\n",
        f"The best network has {mean.max():.2f} %, mean of three trainings whose standard deviation is",
        f"{bench.accuracy.std(axis=1, ddof=1).mean():.2f} points; a search sees one of the three. Within: share of the",
        "searches that tried the best network that they can see, with its 95 % interval at the last. Regret: points",
        "from the best mean to that of what was chosen. p: of a Wilcoxon test of the regret after the most evaluations",
        "against random search, paired by seed.\n",
        f"| controller | {' | '.join(f'within {mark}' for mark in MARKS)} | interval | regret after "
        f"{' | after '.join(map(str, MARKS))} | p |",
        "|---" * (2 * len(MARKS) + 3) + "|",
    ]
    base = _regrets(bench, [one for one in found if one.arm == "random"], max(MARKS))
    for arm in arms:
        own = [one for one in found if one.arm == arm]
        within = [[_found(bench, one, mark) for one in own] for mark in MARKS]
        shares = [f"{100 * statistics.fmean(row):.0f} %" for row in within]
        interval = binomtest(sum(within[-1]), len(own)).proportion_ci()
        regrets = [f"{statistics.fmean(_regrets(bench, own, mark)):.2f}" for mark in MARKS]
        last = _regrets(bench, own, max(MARKS))
        p = (
            ""
            if arm == "random" or len(base) != len(last)
            else f"{wilcoxon(last, base, zero_method='zsplit').pvalue:.2g}"
        )
        told = f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"
        lines.append(f"| {arm} ({len(own)} seeds) | {' | '.join([*shares, told, *regrets, p])} |")
    return "\n".join(lines) + "\n"


def _seen(bench: Bench, one: Searched) -> np.ndarray:
    return bench.accuracy[:, one.seed % bench.accuracy.shape[1]]


def _found(bench: Bench, one: Searched, mark: int) -> bool:
    seen = _seen(bench, one)
    return bool(seen[one.rows[:mark]].max() == seen.max())


def _regrets(bench: Bench, searches: Sequence[Searched], mark: int) -> list[float]:
    mean, found = bench.accuracy.mean(axis=1), []
    for one in searches:
        rows = one.rows[:mark]
        chosen = rows[int(_seen(bench, one)[rows].argmax())]
        found.append(float(mean.max() - mean[chosen]))
    return found


if __name__ == "__main__":
    main()
