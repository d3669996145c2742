"""A tiny genotype, network and data set for tests of training."""

from pathlib import Path

import torch

from nastk.data.images import DataSource, ImageSet
from nastk.data.sources import Digits, Npz
from nastk.data.subsets import subset
from nastk.genotype import Cell, CellGenotype, Edge, Genotype, Node
from nastk.networks import NetworkConfig
from tests.data.files import write_npz

CONFIG = NetworkConfig(cells=1, filters=4, classes=10, channels=1, size=8)


def genotype(op: str = "conv_1x1", reduction_op: str = "max_pool_3x3") -> Genotype:
    """Two cells of one node each: `op` of the latest state plus the state before."""

    def cell(name: str) -> Cell:
        return Cell(2, (Node((Edge(1, name), Edge(0, "identity"))),), (2,))

    return CellGenotype("nasnet", (("normal", cell(op)), ("reduction", cell(reduction_op))))


def few_digits(folder: Path, train: int = 200, test: int = 100) -> DataSource:
    """The first digits as an .npz, so that an epoch takes a moment."""
    parts = {"train": subset(Digits().train(), train, 0), "test": subset(Digits().test(), test, 0)}
    arrays = {f"{kind}_{part}": tensor for part, images in parts.items() for kind, tensor in _arrays(images).items()}
    return Npz(str(write_npz(folder / "digits.npz", **{name: tensor.numpy() for name, tensor in arrays.items()})))


def _arrays(images: ImageSet) -> dict[str, torch.Tensor]:
    return {"x": images.pixels(torch.arange(len(images)))[:, 0], "y": images.y}
