"""Measures what a teacher gains a small network, all else alike: the same images, recipe, epochs and seeds.

    python scripts/benchmarks/distillation.py --photos photos.npz --out report.md

A cell of NAS-Bench-201 is trained at F=16 on the labels: the teacher. The same cell at F=4 is then trained on the
labels and on the teacher's answers alone, each with and without mixup, by the recipe of `training=fast`. `photos.npz`
as in flip.py; the digits are scikit-learn's.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from fast_recipe import fast_recipe
from flip import write_digits, write_photos

from nastk.data.sources import ImageFolder
from nastk.deploy.runtimes.machine import machine_facts
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.spaces import NasBench201Space, random_genotype
from nastk.training.transfer import train_final

TEACHER, STUDENT = 16, 4  # F
ARMS = {f"{who}{', mixup' if mixup else ''}": (who, mixup) for mixup in (0.0, 0.2) for who in ("labels", "teacher")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="photographs; default: the digits")
    parser.add_argument("--size", type=int, default=24, help="pixels a side of the photographs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "images")
        if options.photos is None:
            write_digits(folder)
            data, name = ImageFolder(str(folder), resize=8), "digits"
        else:
            write_photos(folder, options.photos)
            data, name = ImageFolder(str(folder), resize=options.size, flip=True), "photographs of hands"
        report = "\n".join([heading(), *compared(name, data, options, Path(place, "networks"))]) + "\n"
    if options.out is not None:
        options.out.write_text(report)
    if options.out is None:
        print(report)


def compared(name: str, data: ImageFolder, options: argparse.Namespace, place: Path) -> list[str]:
    """Returns the lines of a set: the teacher's, then one of each way to train the student."""
    teacher = place / "teacher"
    best, took = trained(data, options.epochs, 0, teacher, TEACHER)
    counts = f"{name}, {len(data.classes)} classes, {len(data.train()):,} + {len(data.test()):,} images"
    lines = [f"| {counts} | teacher, F={TEACHER} | {best:.2f} | | {took:.0f} |"]
    found: dict[str, list[float]] = {}
    for arm, (who, mixup) in ARMS.items():
        seconds = 0.0
        for seed in range(options.seeds):
            folder = place / f"{arm}-{seed}"
            given = {"teacher": str(teacher)} if who == "teacher" else {}
            accuracy, took = trained(data, options.epochs, seed, folder, STUDENT, mixup=mixup, **given)
            found.setdefault(arm, []).append(accuracy)
            seconds += took / options.seeds
        own = found[arm]
        gain = told(np.subtract(own, found[arm.replace("teacher", "labels")])) if who == "teacher" else ""
        lines.append(f"| | {arm} | {told(own)} | {gain} | {seconds:.0f} |")
    return lines


def trained(
    data: ImageFolder, epochs: int, seed: int, folder: Path, filters: int, **more: object
) -> tuple[float, float]:
    """Returns the accuracy on the test images in percent, and the seconds of CPU that the training took."""
    given = {"epochs": epochs, "batch": 32, "optimizer": "sgd", "learning_rate": 0.1, "threads": 1, "seed": seed}
    settings = fast_recipe(len(data.train()), data.size, auxiliary=0.0, drop_path=0.0, **given, **more)
    kind = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    network = NetworkConfig(cells=1, filters=filters, stem="stride2" if data.size > 16 else "cifar", **kind)
    begin = time.process_time()
    cell = random_genotype(NasBench201Space(), random.Random(3))
    accuracy = 100 * float(train_final(cell, network, data, settings, folder)["accuracy"])
    print(f"{data.size} px {folder.name}: {accuracy:.2f} %", file=sys.stderr, flush=True)
    return accuracy, time.process_time() - begin


def told(values: Sequence[float] | np.ndarray) -> str:
    """Returns mean and standard deviation."""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def heading() -> str:
    """Returns what stands before the table's lines."""
    facts = machine_facts()
    return (
        f"# What a teacher gains a small network\n\n`python {' '.join(sys.argv)}`, {date.today()}, commit "
        f"{git_commit()}, {facts['cores']} cores of an {facts['processor']}, one thread, the machine shared.\n\n"
        f"Test accuracy in percent of a network with F={STUDENT}, mean and standard deviation over seeds; gain: of the "
        "difference to the same training on labels, seed by seed.\n\n"
        "| set (train + test) | trained on | accuracy | gain | CPU seconds |\n|---|---|---|---|---|"
    )


if __name__ == "__main__":
    main()
