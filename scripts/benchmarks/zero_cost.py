"""Measures how many trained cells of NAS-Bench-201 the predictor needs to find the best, with and without scores.

    python scripts/benchmarks/zero_cost.py --table nb201_cifar10.npz --scores nb201_zerocost_cifar10.npz --out REPORT.md

The scores are those that Cavagnero et al. published with FreeREA (WACV 2023); the model sees their logarithms, as
`controller.zero_cost` has it. A cell that is met again costs nothing, and a search ends when it has found the best.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import optuna
from loop import MAX_ASKED, make_controller
from scipy.stats import binomtest, kendalltau, wilcoxon
from table_search import Cells
from tqdm import tqdm

from nastk.deploy.runtimes.machine import machine_facts
from nastk.evaluators.tabular import TabularEvaluator, read_arrays
from nastk.files import write_text
from nastk.runs.folder import git_commit
from nastk.zero_cost.scoring import logarithm

ARMS = ("none", "params", "naswot", "synflow", "logsynflow", "synflow+naswot", "synflow+logsynflow+naswot")
MARKS = (50, 75, 100)
PARAMS = "params_cifar10"

Setup = tuple[str, str, str]  # the paths of the table and of the scores, and the array that the search sees


class Bench(NamedTuple):
    """The cells, what the search sees of each, and the logarithms of its scores by proxy."""

    cells: Cells
    valid: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def best(self) -> int:
        """The row of the best cell."""
        return int(self.valid.argmax())


@lru_cache
def loaded(setup: Setup) -> Bench:
    """Loads both tables, once in every process."""
    table, scores, valid = setup
    cells = Cells(TabularEvaluator(table, valid=valid, test=None, cost=None, params=None), [valid, PARAMS])
    names = ("synflow", "logsynflow", "naswot")
    found = read_arrays(Path(scores), [f"{name}_cifar10" for name in names])
    raw = {name: found[f"{name}_cifar10"] for name in names} | {"params": cells.results[PARAMS]}
    logarithms = {name: np.array([logarithm(name, float(one)) for one in values]) for name, values in raw.items()}
    return Bench(cells, cells.results[valid], logarithms)


def found_after(
    setup: Setup, arm: str, seed: int, settings: Mapping[str, int], evaluations: int
) -> tuple[str, int, int | None]:
    """Returns the arm, the seed, and after how many distinct cells the best was found; None: not among them."""
    bench = loaded(setup)
    cells, valid = bench.cells, bench.valid
    proxies = () if arm == "none" else arm.split("+")
    hooks: dict[str, Any] = {"encode": cells.encode}
    if proxies:
        hooks["scores"] = lambda chosen: [bench.scores[name][cells.row(chosen)] for name in proxies]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=make_controller("predictor", seed, **settings, **hooks))
    seen: dict[int, None] = {}
    for _ in range(evaluations * MAX_ASKED):
        trial = study.ask()
        row = cells.row({name: trial.suggest_categorical(name, among) for name, among in cells.choices.items()})
        if row in seen:
            trial.set_user_attr("state", "duplicate")
        seen[row] = None
        if row == bench.best:
            return arm, seed, len(seen)
        if len(seen) >= evaluations:
            break
        study.tell(trial, float(valid[row]) / 100)
    return arm, seed, None


def main() -> None:
    given = arguments()
    setup = (given.table, given.scores, given.valid)
    bench = loaded(setup)
    arms = given.arms.split(",")
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    settings = {name: getattr(given, name) for name in ("start", "shortlist") if getattr(given, name) is not None}
    found: dict[str, dict[int, int | None]] = {arm: {} for arm in arms}
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = [(arm, seed) for seed in seeds for arm in arms]
        waiting = [pool.submit(found_after, setup, *job, settings, given.evaluations) for job in jobs]
        for done in tqdm(as_completed(waiting), total=len(waiting), unit="search", mininterval=5.0):
            arm, seed, count = done.result()
            found[arm][seed] = count
    ordered = {arm: [found[arm][seed] for seed in seeds] for arm in arms}
    report = report_of(bench, ordered, settings, given)
    print(report)
    if given.out is not None:
        write_text(given.out, report)
        write_text(given.out.with_suffix(".json"), json.dumps({"schema": 1, "found_after": ordered}) + "\n")


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="NAS-Bench-201 in the layout of evaluator=tabular, .npz")
    parser.add_argument("--scores", required=True, help="published scores of its cells, .npz")
    parser.add_argument("--valid", default="acc12_cifar10_valid", help="array the search sees, %%")
    parser.add_argument("--arms", default=",".join(ARMS), help="by commas; each proxies joined by +, or none")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=100, help="those below were used to choose the method")
    parser.add_argument("--evaluations", type=int, default=150, help="distinct cells a search at most")
    parser.add_argument("--start", type=int, help="of the controller; default: as in its configuration")
    parser.add_argument("--shortlist", type=int, help="the same")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="report to write, the numbers beside it as .json; default: print it")
    return parser.parse_args()


def report_of(
    bench: Bench, found: Mapping[str, list[int | None]], settings: Mapping[str, int], given: argparse.Namespace
) -> str:
    """Returns the report in Markdown."""
    told = [Path(word).name if word.endswith(".npz") else word for word in sys.argv]  # wherever the tables lie
    heads = ["scores", "tau", "rank of the best", "median", "mean", *(f"within {mark}" for mark in MARKS), "p"]
    lines = [
        "# Zero-cost scores as inputs of the predictor",
        "",
        f"`python {' '.join(told)}`, {date.today().isoformat()}, commit {git_commit()}, {hardware()}.",
        "",
        f"NAS-Bench-201, `{given.valid}`: how many distinct cells are trained until the best of all "
        f"{len(bench.valid):,} is found, {given.seeds} seeds from {given.first_seed}, at most "
        f"{given.evaluations} cells a search.",
        f"Controller: predictor{''.join(f', {name}={value}' for name, value in settings.items())}, path encoding.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(line(bench, arm, found, given.evaluations) for arm in found),
        "",
        f"Tau: Kendall's, of the score (the first of several) with `{given.valid}`. Rank: how many cells have",
        "a higher one than the best. Mean: a best cell that was not found counts as found last. Within: the share of",
        "seeds and its 95 % confidence interval (Clopper-Pearson). p: Wilcoxon, paired by seed, against none.",
        "",
    ]
    return "\n".join(lines)


def line(bench: Bench, arm: str, found: Mapping[str, list[int | None]], most: int) -> str:
    """Returns a row of the table."""
    counts = np.array([most + 1 if one is None else one for one in found[arm]])
    cells = [arm, "", "", f"{np.median(counts):g}", f"{np.minimum(counts, most).mean():.1f}"]
    if arm != "none":
        scores = bench.scores[arm.split("+", maxsplit=1)[0]]
        known = np.isfinite(scores)
        cells[1:3] = [
            f"{kendalltau(scores[known], bench.valid[known])[0]:.2f}",
            f"{(scores > scores[bench.best]).sum():,}",
        ]
    for mark in MARKS:
        test = binomtest(int((counts <= mark).sum()), len(counts)).proportion_ci()
        cells.append(f"{(counts <= mark).mean():.0%} ({test.low:.0%} to {test.high:.0%})")
    without = found.get("none")
    p = ""
    if without is not None and arm != "none":
        other = np.array([most + 1 if one is None else one for one in without])
        p = f"{wilcoxon(counts, other).pvalue:.1g}" if (counts != other).any() else "1"
    return f"| {' | '.join([*cells, p])} |"


def hardware() -> str:
    """Returns what ran it."""
    facts = machine_facts()
    return f"{facts['cores']} core(s) of {facts['processor']}"


if __name__ == "__main__":
    main()
