"""A teacher: a trained classifier that says, of the very batch that a student sees, how likely each class is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nastk.data.images import DataSource
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, load_trained
from nastk.outside import read_bytes
from nastk.training.device import place

Logits = Callable[[Tensor], Tensor]
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained classifier, whatever runs it; what it answers is a function of the images alone.

    Attributes:
        path: where it lies, for messages.
        sha256: of all that it computes with.
        outputs: how many classes it tells apart.
        classes: their names, in the order of its outputs; None where it says none.
        shape: of the images that it takes: channels, height, width.
        normalisation: of these images; None for the student's.
        at: given the device of a training, returns what makes logits (n, classes) there of float images
            (n, channels, height, width), normalised its way.
    """

    path: str
    sha256: str
    outputs: int
    classes: tuple[str, ...] | None
    shape: tuple[int, int, int]
    normalisation: Normalisation | None
    at: Callable[[torch.device], Logits]

    @property
    def record(self) -> dict[str, Any]:
        """What a training with it depends on."""
        normal = self.normalisation
        own = {} if normal is None else {"mean": list(normal.mean), "std": list(normal.std)}
        return {"sha256": self.sha256, **own}

    def check(self, data: DataSource) -> None:
        """Raises UserError unless it tells the classes of `data` apart, in their order, on images of their channels."""
        found, expected = self.classes, tuple(data.classes)
        if self.outputs != len(expected):
            raise UserError(
                f"teacher {self.path}: knows {self.outputs} classes, expected the {len(expected)} of the data"
            )
        if found is not None and found != expected:
            order = " in another order" if sorted(found) == sorted(expected) else ""
            raise UserError(
                f"teacher {self.path}: knows the classes {_names(found)}{order}, expected those of the data: "
                f"{_names(expected)}"
            )
        if self.shape[0] != data.channels:
            raise UserError(
                f"teacher {self.path}: takes images of {self.shape[0]} channel(s), the data have {data.channels}"
            )

    def resizing(self, size: int) -> str | None:
        """Returns what is done to images of `size` pixels a side before it sees them, in words; None for nothing."""
        height, width = self.shape[1:]
        if (height, width) == (size, size):
            return None
        return f"images of {size}x{size} pixels are resized to its {height}x{width}"


def trained_teacher(folder: Path) -> Teacher:
    """Opens the folder of a trained network, `<run>/transfer/<key>`; torch runs it, on the student's device.

    Raises:
        UserError: it is no such folder, or a file in it is missing or damaged.
    """
    if not (folder / NETWORK).is_file():
        raise UserError(f"teacher {folder}: no trained network in it{_inside(folder)}")
    trained = load_trained(folder)
    digest = hashlib.sha256()
    for name in (WEIGHTS, GENOTYPE, NETWORK):
        digest.update(hashlib.sha256(read_bytes(folder / name, 2**32)).digest())
    config, normal = trained.config, trained.facts["normalisation"]
    return Teacher(
        str(folder),
        digest.hexdigest(),
        config.classes,
        tuple(trained.facts["classes"]),
        (config.channels, config.height, config.width),
        Normalisation(tuple(normal["mean"]), tuple(normal["std"])),
        lambda device: _in_torch(trained.network, device),
    )


def _in_torch(network: nn.Module, device: torch.device) -> Logits:
    network.eval().requires_grad_(False)
    place(network, device)
    return network


def _inside(folder: Path) -> str:
    """Returns what to give instead of the folder of a run."""
    found = sorted(str(path.parent) for path in folder.glob(f"transfer/[!.]*/{NETWORK}"))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f", but in {', '.join(found[:SHOWN])}{more}: give one of them" if found else ""


def _names(classes: Sequence[str]) -> str:
    shown = ", ".join(name[:20] for name in classes[:6])
    return f"[{shown}{', ...' if len(classes) > 6 else ''}]"
