"""What the optimizer does to a full training: SGD, AdamW and Muon at their rates, over image sets, networks and seeds.

    python scripts/benchmarks/optimizers.py --data DIR --work DIR --sets cifar10 photos20 --out REPORT

Each network is trained as a transfer does (`training=fast`), with held-out images that score it; test accuracy stands
beside, and chose nothing. Differences are to the first arm, paired by network and seed. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fast_recipe import fast_recipe
from front_points import IMAGES, Point, data_words
from intervals import mean_and_reach
from machine import machine

from nastk.data.images import DataSource
from nastk.data.sources import Digits, FashionMnist, Npz
from nastk.data.subsets import hold_out
from nastk.files import write_json
from nastk.genotype import Cell, CellGenotype, Edge, Genotype, Node
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.outside.json_text import read_json
from nastk.training.fitted import TRANSFER
from nastk.training.transfer import TransferSettings, train_final

NETWORKS = {"resnet18": 0.25, "mobilenet_v2": 0.375, "mobilenet_v3_small": 0.5, "repvgg_a0": 0.25}  # of what width
CELLS = "cells"  # a network of NASNet's skeleton
ARMS = ("sgd=0.1", "sgd=0.3", "muon=0.05")


class Scored(NamedTuple):
    """Held-out and test accuracy in percent, and processor seconds."""

    held_out: float
    test: float
    seconds: float


def genotype() -> Genotype:
    """Returns cells with dense, pointwise and depthwise convolutions."""

    def cell(first: str, second: str) -> Cell:
        return Cell(
            2, (Node((Edge(1, first), Edge(0, "identity"))), Node((Edge(2, second), Edge(1, "max_pool_3x3")))), (2, 3)
        )

    return CellGenotype(
        "nasnet", (("normal", cell("sep_conv_3x3", "conv_3x3")), ("reduction", cell("conv_1x1", "sep_conv_3x3")))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion-mnist/, cifar10/ and photos/")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--sets", nargs="+", choices=("digits", *IMAGES), default=["photos20", "cifar10"])
    parser.add_argument("--networks", nargs="+", choices=(*NETWORKS, CELLS), default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--arms", nargs="+", default=ARMS, help="optimizer and its rate at a batch of 64: sgd=0.1")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: as many as a transfer takes")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    facts = machine()
    told = ["# Optimizers\n", f"`{facts['command']}`, {facts['date']}, commit {facts['commit']},"]
    told += [f"{facts['processor']}, one thread, {options.seeds} seeds.\n"]
    told += ["Accuracy in percent, mean and standard deviation over seeds; gain: in held-out accuracy over the first"]
    told += ["optimizer, paired by seed, with its 95 % interval; seconds: of the processor, median.\n"]
    told += [
        "| images | epochs | network | optimizer | held out | gain | test | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in options.sets:
        data = images_of(name, options.data, options.work)
        for network in options.networks:
            told += _rows(name, data, network, options)
    text = "\n".join(told) + "\n"
    print(text) if options.out is None else options.out.write_text(text)


def _rows(name: str, data: DataSource, network: str, options: argparse.Namespace) -> list[str]:
    rows, base = [], None
    for arm in options.arms:
        found = [_scored(name, data, network, arm, seed, options) for seed in range(options.seeds)]
        base = base or found
        gains = [one.held_out - other.held_out for one, other in zip(found, base, strict=True)]
        gain = "" if found is base else interval(gains)
        accuracies = [spread([one.held_out for one in found]), gain, spread([one.test for one in found])]
        told = [name, str(_recipe(data, arm, 0, options).epochs), network, arm, *accuracies]
        rows.append(f"| {' | '.join(told)} | {statistics.median(one.seconds for one in found):.0f} |")
    return rows


def spread(values: Sequence[float]) -> str:
    """Returns mean and standard deviation for a person to read."""
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def interval(gains: Sequence[float]) -> str:
    """Returns the mean of paired differences and its 95 % interval for a person to read."""
    if len(gains) < 2:
        return f"{gains[0]:+.2f}"
    return "{:+.2f} ± {:.2f}".format(*mean_and_reach(gains))


def images_of(name: str, data: Path, work: Path) -> DataSource:
    """Returns the images of a name; arrays are written into `work` where they need to be."""
    if name == "digits":
        return Digits()
    words = data_words(Point("", name, "fp32", 1.0), data, work)
    root = words[1].partition("=")[2]
    return FashionMnist(root) if name == "fashion_mnist" else Npz(root, flip=True)


def _recipe(data: DataSource, arm: str, seed: int, options: argparse.Namespace) -> TransferSettings:
    optimizer, rate = arm.split("=")
    changes: dict[str, Any] = {"optimizer": optimizer, "device": "cpu", "threads": 1, "seed": seed, "holdout": True}
    if options.epochs:
        changes["epochs"] = options.epochs
    if optimizer == "adamw":
        changes["weight_decay"] = 0.05
    usual = fast_recipe(len(hold_out(data, seed)[0]), data.size, **changes)
    scaled = usual.learning_rate * float(rate) / TRANSFER.rates[optimizer]
    return dataclasses.replace(usual, learning_rate=scaled)


def network_for(network: str, data: DataSource) -> tuple[Genotype, NetworkConfig]:
    """Returns a network of `NETWORKS` at its width, or of cells, for images."""
    sizes: dict[str, Any] = {"cells": 1, "filters": 8}
    made = genotype()
    if network != CELLS:
        sizes = {"depth_multiplier": 1.0, "width_multiplier": NETWORKS[network]}
        made = for_images(named_network(network), data.size, data.size, 4)
    return made, NetworkConfig(
        sizes=sizes, classes=len(data.classes), channels=data.channels, size=data.size, auxiliary=network == CELLS
    )


def _scored(name: str, data: DataSource, network: str, arm: str, seed: int, options: argparse.Namespace) -> Scored:
    recipe = _recipe(data, arm, seed, options)
    folder = options.work / name / f"{network}-{recipe.epochs}-{arm.replace('=', '-')}-{seed}"
    if (folder / "scored.json").exists():
        return Scored(**read_json(folder / "scored.json"))
    start = time.process_time()
    found = train_final(*network_for(network, data), data, recipe, folder)
    accuracies = 100 * found["validation_accuracy"], 100 * found["accuracy"]
    scored = Scored(*accuracies, time.process_time() - start)
    write_json(folder / "scored.json", scored._asdict())
    print(f"{folder}: held out {scored.held_out:.2f}, test {scored.test:.2f}", file=sys.stderr, flush=True)
    return scored


if __name__ == "__main__":
    main()
