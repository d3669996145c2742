"""A small set to segment, of real handwritten digits, and a tiny backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from nastk.dense.backbone import Backbone
from nastk.dense.task import DenseImages
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig

SIDE = 32
CLASSES = ("paper", "zero", "one")
COUNTS = {"train": 48, "val": 16, "test": 16}


@dataclass(frozen=True, eq=False)
class SmallSet:
    """A set in memory."""

    classes: tuple[str, ...]
    splits: dict[str, DenseImages]

    def split(self, name: str) -> DenseImages:
        return self.splits[name]


def arrays(side: int = SIDE) -> dict[str, NDArray[np.generic]]:
    """Returns zeros and ones, twice as large as sklearn has them, each on a page of its own, as a set's file has it."""
    rng = np.random.default_rng(0)
    digits = load_digits()
    chosen = [(image, label) for image, label in zip(digits.images, digits.target, strict=True) if label < 2]
    found: dict[str, NDArray[np.generic]] = {"classes": np.asarray(CLASSES)}
    for name, count in COUNTS.items():
        images = np.zeros((count, side, side, 3), np.uint8)
        masks = np.zeros((count, side, side), np.uint8)
        for place in range(count):
            image, label = chosen.pop()
            ink = np.kron(image, np.ones((2, 2)))
            x, y = rng.integers(0, side - 16, 2)
            images[place, y : y + 16, x : x + 16] = (ink * 15)[:, :, None]
            masks[place, y : y + 16, x : x + 16] = np.where(ink > 4, label + 1, 0)
        masks[:, 0] = 255  # the first row of no image counts
        found |= {f"{name}_images": images, f"{name}_masks": masks}
    return found


def small_set(side: int = SIDE) -> SmallSet:
    """Returns the same in memory."""
    found = arrays(side)
    splits = {
        name: DenseImages(
            torch.from_numpy(found[f"{name}_images"]), tuple(torch.from_numpy(mask) for mask in found[f"{name}_masks"])
        )
        for name in COUNTS
    }
    return SmallSet(CLASSES, splits)


def write_set(path: Path, **changed: NDArray[np.generic] | None) -> Path:
    """Writes the set's file; arrays may be other ones, None for one that is left out."""
    found = {name: value for name, value in (arrays() | changed).items() if value is not None}
    np.savez_compressed(path, **found)
    return path


def tiny_backbone() -> Backbone:
    """Returns a network of total stride 16, of some thousand weights."""
    stages = [{"block": "residual_basic", "width": width, "stride": 2} for width in (8, 12, 16, 24)]
    return Backbone(StageGenotype.from_dict({"kind": "stages", "stages": stages}), NetworkConfig(classes=2, size=SIDE))
