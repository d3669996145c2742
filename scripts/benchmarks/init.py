"""Measures what weights from elsewhere gain: trained on CIFAR-10, used on photographs of hands, against from scratch.

    python scripts/benchmarks/init.py --data DIR --out scripts/benchmarks/reports/<date>-init.md
    python scripts/benchmarks/init.py --data DIR --network efficientnet_lite0 --weights FILE.safetensors --few 20

One network, ResNet-18 at a quarter of its width, is trained on 18,000 images of CIFAR-10, then on 20 and on 100
photographs a class of ten signs, beginning with these weights (`transfer.init`) and with random ones, all else alike:
the recipe of `training=fast` without an auxiliary head. Every seed has its own training on CIFAR-10 and draws its own
photographs. `DIR` has cifar10/ and photos/ as scripts/benchmarks/front_points.py reads them. With `--weights` nothing
is trained before: it is a file that somebody else has trained, and `--network` is of its published size.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from fast_recipe import fast_recipe

from nastk.data.images import DataSource
from nastk.data.sources import Npz
from nastk.deploy.runtimes.machine import machine_facts
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.training.initial import Initial, read_weights
from nastk.training.optimizers import OPTIMIZERS
from nastk.training.transfer import train_final
from scripts.benchmarks.front_points import POINTS, data_words

QUARTER = ("resnet18", {"width_multiplier": 0.25, "depth_multiplier": 1.0})
SIDE = 64  # of the photographs; networks keep their strides down to a last map of one pixel
FEW = {20: 40, 100: 20}  # photographs a class, and epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of cifar10/ and photos/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="on CIFAR-10")
    parser.add_argument("--share", type=float, default=1.0, help="times the photographs' epochs")
    parser.add_argument("--few", type=int, nargs="+", choices=FEW, default=list(FEW), help="photographs a class")
    parser.add_argument("--network", help="of conf/network, for --weights")
    parser.add_argument("--weights", type=Path, help="safetensors file to begin with, in place of a training")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="default: that of training=fast")
    parser.add_argument("--out", type=Path, help="report to write, renewed after each seed; default: print it")
    arguments = parser.parse_args()
    if (arguments.network is None) != (arguments.weights is None):
        parser.error("--network and --weights: expected both or none of them")
    network = QUARTER if arguments.network is None else (arguments.network, {})
    found: dict[tuple[int, bool], list[float]] = {(few, begun): [] for few in arguments.few for begun in (False, True)}
    before: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        files = dict(arrays(arguments.data, Path(place)))
        for seed in range(arguments.seeds):
            home = arguments.weights or Path(place, f"cifar10-{seed}")
            if arguments.weights is None:
                before.append(trained(network, Npz(str(files["cifar10"]), flip=True), arguments.epochs, seed, home))
            initial = read_weights(home).initial
            for (few, begun), accuracies in found.items():
                data = Npz(str(drawn(files["photos"], few, seed, Path(place))), flip=True)
                epochs = max(round(FEW[few] * arguments.share), 1)
                folder = Path(place, f"photos-{few}-{begun}-{seed}")
                begins = initial if begun else None
                accuracies.append(trained(network, data, epochs, seed, folder, begins, arguments.optimizer))
            report = told(before, found, arguments)
            if arguments.out is not None:
                arguments.out.write_text(report)
    if arguments.out is None:
        print(report)


def arrays(data: Path, place: Path) -> Iterator[tuple[str, Path]]:
    """Yields the name and the .npz of both sets, written where they are not yet."""
    for name in ("cifar10", "photos"):
        point = next(point for point in POINTS.values() if point.images == name)
        (root,) = (word.removeprefix("data.root=") for word in data_words(point, data, place) if "root" in word)
        yield name, Path(root)


def drawn(photos: Path, few: int, seed: int, place: Path) -> Path:
    """Returns an .npz of so many training images a class, the same for a seed however often it is asked."""
    path = place / f"photos-{few}-{seed}.npz"
    if not path.exists():
        with np.load(photos, allow_pickle=False) as stored:
            parts = {name: stored[name] for name in ("x_train", "y_train", "x_test", "y_test")}
        rng, labels = np.random.default_rng(seed), parts["y_train"]
        chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == one))[:few] for one in np.unique(labels)])
        np.savez(path, **{**parts, "x_train": parts["x_train"][chosen], "y_train": labels[chosen]})
    return path


def trained(
    network: tuple[str, Mapping[str, float]],
    data: DataSource,
    epochs: int,
    seed: int,
    folder: Path,
    initial: Initial | None = None,
    optimizer: str | None = None,
) -> float:
    """Returns the accuracy on the test images in percent; `network` is its name and its size."""
    images = len(data.train())
    given = {"epochs": epochs, "threads": 1, "auxiliary": 0.0, "batch": 32 if images < 2000 else 128, "seed": seed}
    settings = fast_recipe(images, data.size, **given, **({"optimizer": optimizer} if optimizer else {}))
    kind = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    name, sizes = network
    genotype = for_images(named_network(name), SIDE, SIDE, 1) if name != QUARTER[0] else named_network(name)
    config = NetworkConfig(sizes=sizes, auxiliary=False, drop_path=0.0, **kind)
    found = train_final(genotype, config, data, settings, folder, initial=initial)
    accuracy = 100 * float(found["accuracy"])
    print(f"{folder.name}: {accuracy:.2f} %, {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    return accuracy


def told(before: list[float], found: dict[tuple[int, bool], list[float]], arguments: argparse.Namespace) -> str:
    """Returns the report."""
    facts = machine_facts()
    rows = []
    for few, epochs in ((few, FEW[few]) for few in arguments.few):
        scratch, begun = found[few, False], found[few, True]
        cells = [spread(part) for part in (scratch, begun, np.subtract(begun, scratch).tolist())]
        rows.append(f"| {few} | {max(round(epochs * arguments.share), 1)} | {' | '.join(cells)} |")
    what = (
        f"{arguments.network} in its published size, its weights those of {arguments.weights}"
        if arguments.weights is not None
        else f"ResNet-18 at a quarter of its width, trained on CIFAR-10 ({arguments.epochs} epochs, {spread(before)} % "
        "there)"
    )
    return (
        f"# Weights from elsewhere\n\n`python {' '.join(sys.argv)}`, {date.today()}, commit {git_commit()}, "
        f"{facts['cores']} cores of an {facts['processor']}, one thread.\n\n{what}, used on photographs of ten signs; "
        f"test accuracy in percent, mean and standard deviation over {arguments.seeds} seeds; gain: of the difference, "
        "seed by seed.\n\n| images a class | epochs | from scratch | transfer.init | gain |\n|---|---|---|---|---|\n"
    ) + "\n".join([*rows, ""])


def spread(values: list[float]) -> str:
    """Returns mean and standard deviation, the mean alone of one value."""
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
