"""Measures what each setting of conf/training/fast.yaml is worth: validation accuracy with it and with another value.

    NASTK_DATA=DIR python scripts/benchmarks/recipe.py --data fashion_mnist --out FILE.md

Data: digits, or 2,500 images of Fashion-MNIST at 14x14. Every line but the first changes one setting; the difference
is the mean over seeds of the paired differences, with their standard error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fast_recipe import fast_recipe
from joblib import Parallel, delayed
from machine import machine
from omegaconf import OmegaConf
from optimizers import genotype

from nastk.data.images import DataSource
from nastk.data.sources import Digits, FashionMnist
from nastk.evaluators.training import TrainingEvaluator

IMAGES, SIZE = 2_000, 14  # about as many as either set has, and at most so large
CHANGES: tuple[dict[str, Any], ...] = (
    {"learning_rate": 0.025},
    {"learning_rate": 0.1},
    {"warmup": 0.3},
    {"label_smoothing": 0.0},
    {"average": 0.0},
    {"cutout": 0.0},
    {"mixup": 0.2},
    {"cutmix": 1.0},
    {"auxiliary": 0.0},
    {"drop_path": 0.0},
)


def recipe(changes: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Returns the settings of conf/training/fast.yaml with the changes, as an evaluator takes them."""
    return {**shipped_recipe(), **changes, "epochs": epochs, "device": "cpu", "threads": 1}


@cache
def shipped_recipe() -> dict[str, Any]:
    """Returns the settings of conf/training/fast.yaml that an evaluator has, as they were when the run began."""
    known = {field.name for field in fields(TrainingEvaluator)} - {"seed"}
    return {name: value for name, value in asdict(fast_recipe(IMAGES, SIZE)).items() if name in known}


def accuracy(data: DataSource, settings: dict[str, Any], seed: int) -> float:
    """Returns the validation accuracy in percent."""
    evaluator = TrainingEvaluator(data=data, network={"cells": 1, "filters": 8}, seed=seed, **settings)
    return 100 * evaluator.evaluate(genotype(), lambda epoch, accuracy: None)["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--data", choices=("digits", "fashion_mnist"), default="digits")
    parser.add_argument(
        "--change", action="append", help='e.g. "cutout=0 drop_path=0"; may be repeated; default: one setting at a time'
    )
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    fashion = {"resize": 14, "subset": 2500, "validation": 2000}
    root = Path(os.environ.get("NASTK_DATA", ".")) / "fashion-mnist"
    data: DataSource = Digits() if arguments.data == "digits" else FashionMnist(root=str(root), **fashion)
    seeds = range(arguments.seeds)
    asked = [OmegaConf.to_container(OmegaConf.from_dotlist(words.split())) for words in arguments.change or ()]
    lines = ["# The fast recipe, one setting changed at a time", ""]
    lines += [f"- {name}: {value}" for name, value in machine().items()]
    lines += [f"- {arguments.data}, {arguments.epochs} epochs, {arguments.seeds} seeds, networks of N=1, F=8", ""]
    lines += ["| change | validation accuracy | difference |", "|---|---|---|"]
    base: list[float] = []
    for changes in ({}, *(asked or CHANGES)):
        tasks = [delayed(accuracy)(data, recipe(changes, arguments.epochs), seed) for seed in seeds]
        found = Parallel(n_jobs=arguments.workers)(tasks)
        base = base or found
        differences = [ours - other for ours, other in zip(found, base, strict=True)]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        words = ", ".join(f"{key}={value}" for key, value in changes.items()) or "none"
        lines.append(f"| {words} | {statistics.mean(found):.2f} | {statistics.mean(differences):+.2f} ± {error:.2f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
