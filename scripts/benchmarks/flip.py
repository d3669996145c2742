"""Measures what mirroring images in training gains on photographs, and what it costs on letters and digits.

    python scripts/benchmarks/flip.py --photos photos.npz --out scripts/benchmarks/reports/<date>-flip.md

Each set is written as an image folder and trained with and without `data.flip`, all else alike: the recipe of
`training=fast`, one cell of the NASNet space, seeds of their own. `photos.npz` has JPEG bytes `jpeg`, cut by `offsets`,
with `labels` and `split` (0: train, 1: test). The letters are drawn from the fonts that come with matplotlib, turned by
up to 8 degrees; the fonts of the test images are not trained on. The digits are scikit-learn's.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import matplotlib
import numpy as np
from fast_recipe import fast_recipe
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from nastk.data.sources import ImageFolder
from nastk.deploy.runtimes.machine import machine_facts
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.spaces import NasnetSpace, random_genotype
from nastk.training.transfer import train_final

LETTERS = "abcdefghijklmnopqrstuvwxyz"
EACH = 6  # images of a letter in a font


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="photographs; default: letters and digits only")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, help="report to write, renewed after each training; default: print it")
    arguments = parser.parse_args()
    sets: dict[str, tuple[Callable[[Path], None], int]] = {"digits": (write_digits, 8), "letters": (write_letters, 20)}
    if arguments.photos is not None:
        sets["photographs of hands"] = (lambda folder: write_photos(folder, arguments.photos), 24)
    genotype = random_genotype(NasnetSpace(blocks=2), random.Random(0))
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, (write, size) in sets.items():
            write(Path(place, name))
            found: dict[bool, list[float]] = {False: [], True: []}
            for seed in range(arguments.seeds):
                for flip, accuracies in found.items():
                    data = ImageFolder(str(Path(place, name)), resize=size, flip=flip)
                    folder = Path(place, f"{name}-{flip}-{seed}")
                    accuracies.append(trained(genotype, data, arguments.epochs, seed, folder))
            rows.append(line(name, data, found[False], found[True]))
            report = "\n".join([heading(), *rows]) + "\n"
            if arguments.out is not None:
                arguments.out.write_text(report)
    if arguments.out is None:
        print(report)


def trained(genotype: Genotype, data: ImageFolder, epochs: int, seed: int, folder: Path) -> float:
    """Returns the accuracy on the test images in percent."""
    settings = fast_recipe(len(data.train()), data.size, epochs=epochs, threads=1, auxiliary=0.0, seed=seed)
    kind = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    network = NetworkConfig(cells=1, filters=8, auxiliary=False, drop_path=settings.drop_path, **kind)
    accuracy = 100 * float(train_final(genotype, network, data, settings, folder)["accuracy"])
    print(f"{folder.name}: {accuracy:.2f} %", file=sys.stderr, flush=True)
    return accuracy


def line(name: str, data: ImageFolder, plain: list[float], flipped: list[float]) -> str:
    """Returns a line of the table."""
    gains = np.subtract(flipped, plain)
    told = [f"{np.mean(part):.2f} ± {np.std(part, ddof=1):.2f}" for part in (plain, flipped)]
    counts = f"{len(data.train()):,} + {len(data.test()):,}"
    gain = f"{np.mean(gains):+.2f} ± {np.std(gains, ddof=1):.2f}"
    return f"| {name} | {len(data.classes)} | {counts} | {told[0]} | {told[1]} | {gain} |"


def heading() -> str:
    """Returns what stands before the table's lines."""
    facts = machine_facts()
    return (
        f"# Mirroring images in training\n\n`python {' '.join(sys.argv)}`, {date.today()}, commit {git_commit()}, "
        f"{facts['cores']} cores of an {facts['processor']}, one thread.\n\nTest accuracy in percent, mean and "
        "standard deviation over seeds; gain: of the difference, seed by seed.\n\n"
        "| set | classes | images (train + test) | flip=false | flip=true | gain |\n|---|---|---|---|---|---|"
    )


def write_photos(folder: Path, path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        jpeg, offsets, labels, split = (file[name] for name in ("jpeg", "offsets", "labels", "split"))
    for row, (label, part) in enumerate(zip(labels.tolist(), split.tolist(), strict=True)):
        place = _class(folder, part, str(label)) / f"{row:05d}.jpg"
        place.write_bytes(jpeg[offsets[row] : offsets[row + 1]].tobytes())


def write_digits(folder: Path) -> None:
    digits = load_digits()
    for row, (pixels, label) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
        image = Image.fromarray((pixels * 255 / 16).astype(np.uint8))
        image.save(_class(folder, int(row % 5 == 0), str(label)) / f"{row:05d}.png")


def write_letters(folder: Path) -> None:
    fonts = sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("DejaVuS*.ttf"))
    rng = random.Random(0)
    for number, path in enumerate(font for font in fonts if "Display" not in font.name):
        for letter in LETTERS:
            for index in range(EACH):
                image = Image.new("L", (56, 56))
                font = ImageFont.truetype(str(path), rng.randint(32, 44))
                at = (28 + rng.randint(-4, 4), 28 + rng.randint(-4, 4))
                ImageDraw.Draw(image).text(at, letter, fill=255, font=font, anchor="mm")
                turned = image.rotate(rng.uniform(-8, 8), Image.Resampling.BILINEAR)
                turned.save(_class(folder, int(number % 4 == 0), letter) / f"{path.stem}-{index}.png")


def _class(folder: Path, part: int, name: str) -> Path:
    place = folder / ("train", "test")[part] / name
    place.mkdir(parents=True, exist_ok=True)
    return place


if __name__ == "__main__":
    main()
