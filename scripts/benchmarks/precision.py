"""Whether training in bfloat16, on a CPU or a GPU, is as accurate as in float32: pairs of trainings of the same seed.

    python scripts/benchmarks/precision.py --data DIR --work DIR [--sets ...] [--networks ...] [--seeds 8] [--out FILE]
    ... --parts train --device cuda

A pair differs in `precision` alone: weights, images, batches and augmentation are the same. Equal is what two one-sided
t-tests over the pairs (TOST, Schuirmann 1987) put within 0.3 points, each at 0.05. To have many pairs in
an hour, a part of the images is trained on and many others are scored. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from fast_recipe import fast_recipe
from front_points import Point, data_words
from machine import machine
from precision_speed import candidate_lines, speed_lines
from scipy.stats import t

from nastk.data.sources import FashionMnist, Npz
from nastk.deploy.runtimes.gpu import missing_gpu, present_gpu
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.training.transfer import train_final

SIDES = ("fp32", "bf16")
PARTS = ("train", "steps", "candidates")
MARGIN = 0.3  # points of accuracy
LEVEL = 0.05
LAST_MAP = 2  # pixels a side at least: the quick form of a network, as where a latency is to be kept


class Images(NamedTuple):
    """How many images are trained on and for how long; all others are scored, at most `scored`."""

    trained: int
    epochs: int
    scored: int
    flip: bool


SETS = {
    "fashion_mnist": Images(12_000, 3, 10_000, flip=False),
    "cifar10": Images(9_000, 4, 13_500, flip=True),
    "photos": Images(1_029, 12, 1_030, flip=True),
}
# Depth and width, times those of conf/network.
NETWORKS = {"resnet18": (1.0, 0.125), "mobilenet_v1": (0.5, 0.25)}


class Trained(NamedTuple):
    """A pair's scores on images that were not trained on: accuracy in %, loss."""

    network: str
    seed: int
    accuracy: tuple[float, float]
    loss: tuple[float, float]


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion-mnist/, cifar10/ and photos/")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[8], help="of each set in turn, or one for all")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="without train: of trainings done"
    )
    parser.add_argument("--device", default="cpu", help="cpu, or cuda with --parts train: where the pairs are trained")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    return parser


def main() -> None:
    parser = options()
    given = parser.parse_args()
    if given.device != "cpu" and given.parts != ["train"]:
        parser.error("steps and candidates are timed on a CPU; expected --parts train with another --device")
    missing = missing_gpu() if given.device != "cpu" else None
    if missing is not None:
        print(f"precision.py: nothing trained: {missing}", file=sys.stderr)
        sys.exit(2)
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    seeds = given.seeds * len(given.sets) if len(given.seeds) == 1 else given.seeds
    found: dict[str, list[Trained]] = {name: [] for name in given.sets}
    for seed in range(max(seeds)):  # seed by seed, so that a run that is stopped has all sets and networks
        for name, most in zip(given.sets, seeds, strict=True):
            wanted = given.networks if seed < most else []
            found[name] += [pair(name, one, seed, given) for one in wanted if _is_due(name, one, seed, given)]
    lines = report(found, given.device)
    lines += speed_lines(given.work) if "steps" in given.parts else []
    lines += candidate_lines(given.work) if "candidates" in given.parts else []
    text = "\n".join(lines) + "\n"
    print(text) if given.out is None else given.out.write_text(text)


def _is_due(images: str, network: str, seed: int, options: argparse.Namespace) -> bool:
    """Says whether a pair is to be reported: where nothing is trained, one that is there."""
    folders = [_place(images, options) / f"{network}-{seed}-{side}" for side in SIDES]
    return "train" in options.parts or all((folder / "metrics.json").exists() for folder in folders)


def _place(images: str, options: argparse.Namespace) -> Path:
    """Returns the folder of a set's trainings on a device: what a CPU trained is not taken for a GPU's."""
    return Path(options.work / (images if options.device == "cpu" else f"{images}-gpu"))


def pair(images: str, network: str, seed: int, options: argparse.Namespace) -> Trained:
    """Returns the scores of a network trained in both precisions, now or before."""
    data = Npz(root=str(arrays(images, options.data, options.work)), flip=SETS[images].flip)
    place = _place(images, options)
    both = [trained(data, images, network, seed, side, place, options.device) for side in SIDES]
    accuracy, loss = ([float(one[name]) for one in both] for name in ("accuracy", "loss"))
    return Trained(network, seed, (100 * accuracy[0], 100 * accuracy[1]), (loss[0], loss[1]))


def trained(
    data: Npz, images: str, name: str, seed: int, precision: str, place: Path, device: str = "cpu"
) -> dict[str, Any]:
    """Returns the metrics of one training."""
    genotype, network = network_of(name, data.channels, data.size, len(data.classes))
    plain = {"auxiliary": 0.0, "drop_path": 0.0, "device": device, "threads": 1, "seed": seed, "precision": precision}
    recipe = fast_recipe(len(data.train()), data.size, batch=64, epochs=SETS[images].epochs, **plain)
    folder = place / f"{name}-{seed}-{precision}"
    known = (folder / "metrics.json").exists()
    found = train_final(genotype, network, data, recipe, folder)
    if not known:
        told = f"accuracy {found['accuracy']:.4f}, loss {found['loss']:.4f}, {found['seconds']:.0f} s"
        print(f"{folder}: {told}", file=sys.stderr, flush=True)
    return found


def network_of(name: str, channels: int, size: int, classes: int) -> tuple[Any, NetworkConfig]:
    """Returns a network of conf/network in its quick form for small images, made small."""
    depth, width = NETWORKS[name]
    sizes = {"depth_multiplier": depth, "width_multiplier": width}
    genotype = for_images(named_network(name), size, size, LAST_MAP)
    return genotype, NetworkConfig(sizes=sizes, classes=classes, channels=channels, size=size, drop_path=0.0)


def arrays(name: str, data: Path, work: Path) -> Path:
    """Writes, once, the images that are trained on and those that are scored: the test images, and training images."""
    path = work / f"{name}-halves.npz"
    if path.exists():
        return path
    x, y, test = _all_images(name, data, work)
    plan = SETS[name]
    order = np.random.default_rng(0).permutation(len(y) - test)  # of the training images: the rest is test
    kept, others = order[: plan.trained], np.concatenate([np.arange(len(y) - test, len(y)), order[plan.trained :]])
    others = others[: plan.scored]
    np.savez(path, x_train=x[kept], y_train=y[kept], x_test=x[others], y_test=y[others])
    return path


def _all_images(name: str, data: Path, work: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns pixels and labels, training images first, and how many of the last are test images."""
    if name == "fashion_mnist":
        source = FashionMnist(root=str(data / "fashion-mnist"))
        parts = [(one.pixels(torch.arange(len(one)))[:, 0].numpy(), one.y.numpy()) for one in _parts(source)]
    else:
        words = data_words(Point("", name, "fp32", 1.0), data, work)
        stored = np.load(words[1].partition("=")[2], allow_pickle=False)
        parts = [(stored[f"x_{part}"], stored[f"y_{part}"]) for part in ("train", "test")]
    pixels, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
    return pixels, labels, len(parts[1][1])


def _parts(source: FashionMnist) -> Iterator[Any]:
    yield source.train()
    yield source.test()


def tost(differences: Sequence[float]) -> tuple[float, float, float]:
    """Returns mean, half of the 90 % interval, and p of the two one-sided t-tests against `MARGIN` points."""
    count, mean = len(differences), statistics.fmean(differences)
    if count < 2:
        return mean, float("nan"), float("nan")
    error = statistics.stdev(differences) / count**0.5
    half = float(t.ppf(1 - LEVEL, count - 1)) * error
    return mean, half, float(t.sf((MARGIN - abs(mean)) / max(error, 1e-12), count - 1))


def report(found: dict[str, list[Trained]], device: str = "cpu") -> list[str]:
    """Returns the lines of the report: how equal, per set and per network."""
    facts = machine()
    kind, where = ("CPU", facts["processor"]) if device == "cpu" else ("GPU", present_gpu())
    lines = [
        f"# Training in bfloat16 on a {kind}: as accurate as float32?\n",
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {where},",
        f"one thread, torch {torch.__version__}, beside other work. Accuracy in % on images that were not trained on, ",
        "mean over pairs of the same seed; difference bf16 - fp32 with its 90 % interval, and p of TOST at "
        f"{MARGIN} points.\n",
        "| images | trained, epochs | scored | network | pairs | fp32 | bf16 | difference | p | loss, difference |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, pairs in found.items():
        networks = dict.fromkeys(one.network for one in pairs)
        lines += [_row(name, one, [other for other in pairs if other.network == one]) for one in networks]
        lines += [_row(name, "all", pairs)] if len(networks) > 1 else []
    return lines


def _row(images: str, network: str, pairs: Sequence[Trained]) -> str:
    plan = SETS[images]
    mean, half, p = tost([one.accuracy[1] - one.accuracy[0] for one in pairs])
    loss, wide, _ = tost([one.loss[1] - one.loss[0] for one in pairs])
    sides = [statistics.fmean(one.accuracy[side] for one in pairs) for side in (0, 1)]
    return (
        f"| {images} | {plan.trained:,}, {plan.epochs} | {plan.scored:,} | {network} | {len(pairs)} | {sides[0]:.2f} | "
        f"{sides[1]:.2f} | {mean:+.2f} ± {half:.2f} | {p:.4f} | {loss:+.4f} ± {wide:.4f} |"
    )


if __name__ == "__main__":
    main()
