"""Which parts of a recipe pay where there are few images: one changed at a time, over networks and seeds.

    python scripts/benchmarks/small_data.py --data DIR --work DIR [--sets photos cifar10 fashion_mnist] [--arms ...]

Of photographs 20, of CIFAR-10 and Fashion-MNIST 50 training images of each class are kept; what scores an arm are
training images of the same set that were not kept, at most 2,000: test images decide nothing. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from fast_recipe import fast_recipe
from front_points import Point, data_words
from intervals import mean_and_reach
from machine import machine

from nastk.data.sources import FashionMnist, Npz
from nastk.genotype.small import for_images
from nastk.genotype.stages import StageGenotype
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.training.transfer import train_final

KEPT = {"photos": 20, "cifar10": 50, "fashion_mnist": 50}
PIXELS = {"photos": 32}  # a side; the others as they are
MOST_SCORED = 2_000
NETWORKS = {"resnet18": 0.25, "mobilenet_v2": 0.25}  # of what width
ARMS: dict[str, dict[str, Any]] = {
    "fast": {},
    "rotate 15": {"rotate": 15.0},
    "zoom 0.25": {"zoom": 0.25},
    "colour 0.4": {"colour": 0.4},
    "all three": {"rotate": 15.0, "zoom": 0.25, "colour": 0.4},
    "all three, more": {"rotate": 30.0, "zoom": 0.5, "colour": 0.8},
    "all three, twice as long": {"rotate": 15.0, "zoom": 0.25, "colour": 0.4, "longer": 2},
    "twice as long": {"longer": 2},
    "four times as long": {"longer": 4},
    "batch 16, as many images": {"batch": 16},
    "batch 32, as many images": {"batch": 32},
    "batch 64, as many images": {"batch": 64},
    "mixup 0.2": {"mixup": 0.2},
    "cutmix 1": {"cutmix": 1.0},
    "no cutout": {"cutout": 0.0},
    "weight decay 0.002": {"weight_decay": 2e-3},
    "drop path 0": {"drop_path": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion-mnist/, cifar10/ and photos/")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--sets", nargs="+", choices=list(KEPT), default=list(KEPT))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    facts = machine()
    told = ["# Recipes for few images\n", f"`{facts['command']}`, {facts['date']}, commit {facts['commit']},"]
    told += [f"{facts['processor']}, one thread, {options.seeds} seeds of {', '.join(NETWORKS)}.\n"]
    told += ["Accuracy on training images that were not kept, mean over networks and seeds; difference to the recipe"]
    told += ["`training=fast`, paired by network and seed, with its 95 % interval.\n"]
    for name in options.sets:
        found = {arm: _accuracies(name, arm, options) for arm in options.arms}
        told += [f"\n## {name}, {KEPT[name]} images a class\n", "| recipe | accuracy | difference |", "|---|---|---|"]
        told += [_row(arm, found[arm], found[options.arms[0]]) for arm in options.arms]
    text = "\n".join(told) + "\n"
    print(text) if options.out is None else options.out.write_text(text)


def _row(arm: str, found: Sequence[float], base: Sequence[float]) -> str:
    gains = [100 * (one - other) for one, other in zip(found, base, strict=True)]
    told = ""
    if found is not base and len(gains) > 1:
        told = "{:+.2f} ± {:.2f}".format(*mean_and_reach(gains))
    return f"| {arm} | {100 * statistics.fmean(found):.2f} | {told} |"


def _accuracies(name: str, arm: str, options: argparse.Namespace) -> list[float]:
    data = Npz(str(_few(name, options.data, options.work)), flip=name != "fashion_mnist", resize=PIXELS.get(name))
    return [
        _accuracy(data, network, arm, seed, options.work / name / f"{network}-{arm.replace(' ', '_')}-{seed}")
        for network in NETWORKS
        for seed in range(options.seeds)
    ]


def _accuracy(data: Npz, name: str, arm: str, seed: int, folder: Path) -> float:
    count, changes = len(data.train()), dict(ARMS[arm])
    genotype = for_images(named_network(name), data.size, data.size, 4)
    assert isinstance(genotype, StageGenotype)
    network = NetworkConfig(
        sizes={"depth_multiplier": 1.0, "width_multiplier": NETWORKS[name]},
        classes=len(data.classes),
        channels=data.channels,
        size=data.size,
        drop_path=0.0,
    )
    # As many images with every batch: a larger one has fewer steps.
    epochs = fast_recipe(count, data.size).epochs * changes.pop("longer", 1)
    plain = {"auxiliary": 0.0, "device": "cpu", "threads": 1, "seed": seed}
    recipe = fast_recipe(count, data.size, epochs=epochs, **plain, **changes)
    known = (folder / "metrics.json").exists()
    found = train_final(genotype, network, data, recipe, folder)
    if not known:
        print(f"{folder}: {found['accuracy']:.4f}, {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    return float(found["accuracy"])


def _few(name: str, data: Path, work: Path) -> Path:
    """Writes, once, the first images of each class to train on and other training images to score on."""
    path = work / f"{name}-few.npz"
    if path.exists():
        return path
    x, y = _training_images(name, data, work)
    kept = np.concatenate([np.flatnonzero(y == one)[: KEPT[name]] for one in np.unique(y)])
    others = np.setdiff1d(np.arange(len(y)), kept)
    others = np.random.default_rng(0).permutation(others)[:MOST_SCORED]
    np.savez(path, x_train=x[kept], y_train=y[kept], x_test=x[others], y_test=y[others])
    return path


def _training_images(name: str, data: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    words = data_words(Point("", name, "fp32", 1.0), data, work)
    if name == "fashion_mnist":
        images = FashionMnist(str(data / "fashion-mnist")).train()
        return images.pixels(torch.arange(len(images)))[:, 0].numpy(), images.y.numpy()
    stored = np.load(words[1].partition("=")[2], allow_pickle=False)
    return stored["x_train"], stored["y_train"]


if __name__ == "__main__":
    main()
