"""Measures what a controller costs a trial, ask and tell, in memory, and how that grows with the finished trials.

python scripts/benchmarks/controllers.py --out FILE.json
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import optuna
from loop import make_controller
from machine import machine
from optuna.distributions import CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nastk.files import write_json
from nastk.spaces import NasnetSpace

LIMITS_MS = {"evolution": 20, "local_search": 20, "reinforce": 60, "ppo": 60, "predictor": 1000}
CONTROLLERS = ("random", "tpe", *LIMITS_MS, "nsga2", "pareto_evolution")


def nasnet_choices() -> dict[str, tuple[Any, ...]]:
    """Returns the 50 choices of the NASNet space, options by name."""
    asked: dict[str, tuple[Any, ...]] = {}
    rng = random.Random(0)

    def choose(name: str, options: Any) -> Any:
        asked[name] = tuple(options)
        return rng.choice(asked[name])

    NasnetSpace().genotype(choose)
    return asked


def finished(choices: dict[str, tuple[Any, ...]], count: int, objectives: int) -> list[optuna.trial.FrozenTrial]:
    """Returns random finished trials whose value depends on their choices."""
    rng = random.Random(1)
    worth = {(name, option): rng.gauss(0, 1) for name, options in choices.items() for option in options}
    distributions = {name: CategoricalDistribution(options) for name, options in choices.items()}
    trials = []
    for _ in range(count):
        params = {name: rng.choice(options) for name, options in choices.items()}
        value = 0.5 + 0.01 * sum(worth[item] for item in params.items())
        values = [value, rng.random()][:objectives]
        trials.append(optuna.create_trial(params=params, distributions=distributions, values=values))
    return trials


def measure(name: str, choices: dict[str, tuple[Any, ...]], count: int, trials: int) -> dict[str, float]:
    """Returns milliseconds a trial after `count` finished ones, and the seconds that the first of them took."""
    objectives = 2 if name in ("nsga2", "pareto_evolution") else 1
    directions = ["maximize", "minimize"][:objectives]
    study = optuna.create_study(directions=directions, sampler=make_controller(name, 0))
    for trial in finished(choices, count, objectives):
        study.add_trial(trial)
    seconds = []
    for index in range(trials + 1):
        start = time.perf_counter()
        trial = study.ask()
        for choice, options in choices.items():
            trial.suggest_categorical(choice, options)
        study.tell(trial, [0.5 + 0.001 * index, 0.5][:objectives])
        seconds.append(time.perf_counter() - start)
    later = sorted(seconds[1:])
    return {
        "median_ms": round(1000 * later[len(later) // 2], 2),
        "mean_ms": round(1000 * sum(later) / len(later), 2),
        "first_s": round(seconds[0], 3),
    }


def resume_seconds(choices: dict[str, tuple[Any, ...]], count: int) -> float:
    """Returns the seconds that opening a journal of `count` finished trials takes, reading all of them included."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "study.journal")
        study = optuna.create_study(storage=JournalStorage(JournalFileBackend(path)), study_name="search")
        study.add_trials(finished(choices, count, 1))
        start = time.perf_counter()
        again = optuna.load_study(storage=JournalStorage(JournalFileBackend(path)), study_name="search")
        assert len(again.get_trials(deepcopy=False)) == count
        return time.perf_counter() - start


def main() -> None:
    """Measures every controller after 250, 500 and 1,000 finished trials, and writes and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--controllers", default=",".join(CONTROLLERS))
    parser.add_argument("--finished", default="250,500,1000", help="numbers of finished trials, by commas")
    parser.add_argument("--trials", type=int, default=12, help="trials to measure at each")
    parser.add_argument(
        "--journal", type=int, default=5000, help="finished trials in the journal that is read; 0: none"
    )
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    choices = nasnet_choices()
    counts = [int(count) for count in given.finished.split(",")]
    results: dict[str, Any] = {}
    print(f"{len(choices)} choices; milliseconds a trial, ask and tell (the first trial after a resume, seconds)")
    print(f"{'controller':18}" + "".join(f"{count:>20}" for count in counts) + "   limit at 500")
    for name in given.controllers.split(","):
        results[name] = {count: measure(name, choices, count, given.trials) for count in counts}
        row = "".join(f"{results[name][c]['median_ms']:>11.1f} ({results[name][c]['first_s']:>5.2f})" for c in counts)
        print(f"{name:18}{row}   {LIMITS_MS.get(name, '')}", flush=True)
    report: dict[str, Any] = {"schema": 1, **machine(), "choices": len(choices), "controllers": results}
    if given.journal:
        report["journal"] = {"trials": given.journal, "seconds": round(resume_seconds(choices, given.journal), 2)}
        print(f"journal of {given.journal} trials read in {report['journal']['seconds']} s")
    write_json(given.out, report)


if __name__ == "__main__":
    main()
