"""Trains the networks that openvino_target.py and openvino_nncf.py compare runtimes on; each once, and shortly.

    python scripts/benchmarks/openvino_networks.py --photos photos.npz --work DIR

Networks of conf/network in the form for small images and at a part of their width, on photographs of hands of 32 pixels
a side and, for one pass, on Fashion-MNIST. `photos.npz` as in flip.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fast_recipe import fast_recipe
from flip import write_photos

from nastk.data.images import DataSource
from nastk.data.sources import FashionMnist, ImageFolder
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.training.transfer import train_final

PHOTOS, FASHION = "photographs", "Fashion-MNIST"
LEAST_PIXELS = 4
BATCH = 64


@dataclass(frozen=True)
class Plan:
    """A network of conf/network at a part of its width, the images that it is trained on, and for how long."""

    network: str
    width: float
    images: str
    epochs: int

    @property
    def name(self) -> str:
        return f"{self.network} x {self.width:g}, {self.images}"


PLANS = (
    Plan("resnet18", 0.25, PHOTOS, 20),
    Plan("resnet18", 0.125, FASHION, 1),
    Plan("mobilenet_v2", 0.5, PHOTOS, 6),
    Plan("mobilenet_v3_small", 1.0, PHOTOS, 6),
    Plan("fasternet_t0", 0.5, PHOTOS, 6),
    Plan("shufflenet_v2_x1_0", 0.5, PHOTOS, 6),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the networks; those there are kept")
    options = parser.parse_args()
    for plan in PLANS:
        print(f"{plan.name}: {100 * trained(plan, options.work, options.photos):.2f} %", flush=True)


def trained(plan: Plan, work: Path, photos: Path) -> float:
    """Trains a network where that was not done yet; returns its accuracy on the test images."""
    data = images_of(plan, work, photos)
    side = 28 if plan.images == FASHION else 32
    sizes = {"depth_multiplier": 1.0, "width_multiplier": plan.width}
    classes = len(data.classes)
    network = NetworkConfig(sizes=sizes, classes=classes, channels=data.channels, size=side, drop_path=0.0)
    genotype = for_images(named_network(plan.network), side, side, LEAST_PIXELS)
    simple = {"auxiliary": 0.0, "drop_path": 0.0, "device": "cpu", "threads": 1, "seed": 0}
    recipe = fast_recipe(len(data.train()), side, batch=BATCH, epochs=plan.epochs, **simple)
    return float(train_final(genotype, network, data, recipe, folder_of(plan, work))["accuracy"])


def folder_of(plan: Plan, work: Path) -> Path:
    """Returns where a trained network lies."""
    return work / f"{plan.network}-{plan.width:g}-{plan.images.lower()}"


def images_of(plan: Plan, work: Path, photos: Path) -> DataSource:
    """Returns the images of a plan; the photographs are written as a folder once."""
    if plan.images == FASHION:
        return FashionMnist()
    folder = work / "images"
    if not folder.exists():
        write_photos(folder, photos)
    return ImageFolder(str(folder), resize=32, flip=True)


if __name__ == "__main__":
    main()
