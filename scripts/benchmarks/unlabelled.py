"""Measures what images without labels gain a teacher's student, and what a teacher's kept answers save.

    python scripts/benchmarks/unlabelled.py --photos photos.npz --work DIR --out report.md

Of the photographs' training images 20 of each class keep their label, the others lose it. A wide ResNet-18 is trained
on the labels: the teacher. A narrow one is then trained on the labels, on the teacher's answers, and on these with the
images without labels; each time with new augmentations in each epoch, and with few fixed ones whose answers are kept,
which students of later seeds find. `photos.npz` as in flip.py. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fast_recipe import fast_recipe
from flip import write_photos
from machine import machine

from nastk.data.sources import ImageFolder
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.training.transfer import train_final

KEPT = 20  # labelled images a class
SIZE = 32  # pixels a side
TEACHER, STUDENT = 0.5, 0.25  # width multipliers
VIEWS = 8
ARMS: dict[str, tuple[bool, int]] = {  # with images without labels, views
    "teacher": (False, 0),
    f"teacher, {VIEWS} views": (False, VIEWS),
    "teacher, unlabelled": (True, 0),
    f"teacher, unlabelled, {VIEWS} views": (True, VIEWS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the students; default: those of training=fast, as the teacher's")
    parser.add_argument("--out", type=Path, help="report to write, renewed after each training; default: print it")
    options = parser.parse_args()
    without = options.work / "unlabelled"
    data = ImageFolder(str(few(options.work, without, options.photos)), resize=SIZE, flip=True)
    also = ImageFolder(str(data.root), resize=SIZE, flip=True, unlabelled=str(without))
    teacher = options.work / "teacher"
    told = Report(options, data, trained(data, TEACHER, 0, teacher, None))
    for seed in range(options.seeds):
        told.add("labels", trained(data, STUDENT, seed, options.work / f"labels-{seed}", options.epochs))
        for arm, (more, views) in ARMS.items():
            folder = options.work / "students" / f"{arm.replace(', ', '-').replace(' ', '_')}-{seed}"
            given = {"teacher": str(teacher), "teacher_views": views}
            told.add(arm, trained(also if more else data, STUDENT, seed, folder, options.epochs, **given))
    told.write()


def few(work: Path, without: Path, photos: Path) -> Path:
    """Writes the photographs, once: those with labels as an image folder, the others into `without`."""
    folder = work / "images"
    if not without.exists():
        write_photos(folder, photos)
        without.mkdir()
        for place in sorted((folder / "train").iterdir()):
            for path in sorted(place.iterdir())[KEPT:]:
                path.rename(without / path.name)
    return folder


def trained(
    data: ImageFolder, width: float, seed: int, folder: Path, epochs: int | None, **more: Any
) -> tuple[float, float]:
    """Returns the accuracy on the test images in percent, and the seconds of CPU that the training took."""
    known = folder.with_name(f"{folder.name}.seconds")
    genotype, network = formed(data, width)
    plain = {"auxiliary": 0.0, "drop_path": 0.0, "device": "cpu", "threads": 1, "seed": seed}
    recipe = fast_recipe(len(data.train()), SIZE, **({"epochs": epochs} if epochs else {}), **plain, **more)
    begin = time.process_time()
    accuracy = 100 * float(train_final(genotype, network, data, recipe, folder)["accuracy"])
    if not known.exists():
        known.write_text(str(time.process_time() - begin))
        print(f"{folder.name}: {accuracy:.2f} %, {known.read_text()} s", file=sys.stderr, flush=True)
    return accuracy, float(known.read_text())


def formed(data: ImageFolder, width: float) -> tuple[Any, NetworkConfig]:
    """Returns ResNet-18 for small images, and its size."""
    sizes = {"depth_multiplier": 1.0, "width_multiplier": width}
    network = NetworkConfig(sizes=sizes, classes=len(data.classes), channels=data.channels, size=SIZE, drop_path=0.0)
    return for_images(named_network("resnet18"), SIZE, SIZE, 4), network


class Report:
    """The table, of as many seeds as are trained."""

    def __init__(self, options: argparse.Namespace, data: ImageFolder, teacher: tuple[float, float]) -> None:
        self._out = options.out
        self._found: dict[str, list[tuple[float, float]]] = {}
        facts = machine()
        told_epochs = f"{options.epochs} epochs" if options.epochs else "as long"
        rest = len(list((options.work / "unlabelled").iterdir()))
        self._head = (
            f"# Images without labels, and kept answers\n\n`{facts['command']}`, {facts['date']}, commit "
            f"{facts['commit']}, {facts['processor']}, one thread, the machine shared.\n\nPhotographs of hands of "
            f"{SIZE} pixels a side, {len(data.classes)} classes: {len(data.train()):,} labelled images, {rest:,} more "
            f"without labels, {len(data.test()):,} to test on. Teacher: ResNet-18 at {TEACHER} times its width, "
            f"trained on the labelled images, {teacher[0]:.2f} %, {teacher[1]:.0f} s. "
            f"Students: at {STUDENT} times, {told_epochs}. Test accuracy in percent, mean and standard "
            "deviation over seeds; gain: of the difference to the labels alone, seed by seed. Seconds of CPU of the "
            "first student, which asks the teacher, and the mean of those after it, which find kept answers. A batch "
            "with images without labels is twice as large: in a short training a part of the gain is that.\n"
        )

    def add(self, arm: str, found: tuple[float, float]) -> None:
        """Enters a training."""
        self._found.setdefault(arm, []).append(found)
        if self._out is not None:
            self.write()

    def write(self) -> None:
        """Writes the report, or prints it."""
        lines = [
            self._head,
            "| trained on | seeds | accuracy | gain | first student, s | later ones, s |",
            "|---|---|---|---|---|---|",
        ]
        base = [accuracy for accuracy, _ in self._found["labels"]]
        for arm, found in self._found.items():
            own, seconds = [one for one, _ in found], [took for _, took in found]
            gains = [one - other for one, other in zip(own, base, strict=False)]
            later = f"{statistics.fmean(seconds[1:]):.0f}" if seconds[1:] else ""
            gain = "" if arm == "labels" else told(gains)
            lines.append(f"| {arm} | {len(own)} | {told(own)} | {gain} | {seconds[0]:.0f} | {later} |")
        text = "\n".join(lines) + "\n"
        if self._out is None:
            print(text)
        else:
            self._out.write_text(text)


def told(values: Sequence[float]) -> str:
    """Returns mean and standard deviation."""
    return f"{statistics.fmean(values):.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
