"""A dense training as plain data: what is trained, on what, how, and all that its result depends on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nastk.data.images import Images
from nastk.data.normalisation import Normalisation, statistics
from nastk.dense.backbone import Backbone
from nastk.dense.batches import as_read
from nastk.dense.network import DenseNetwork
from nastk.dense.settings import DenseSettings
from nastk.dense.task import SPLITS, DenseImages, DenseSet, DenseTask
from nastk.errors import UserError
from nastk.training.record import ELSEWHERE

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class DenseJob:
    """What is trained, on what and how."""

    backbone: Backbone
    task: DenseTask
    data: DenseSet
    settings: DenseSettings

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what the network reads: channels, height, width."""
        _, height, width, _ = self.data.split("train").images.shape
        return self.backbone.config.channels, height, width

    def network(self) -> DenseNetwork:
        """Returns the network as it is before the training, in training mode; random weights are torch's.

        Raises:
            UserError: backbone, head and images do not fit each other.
        """
        _, height, width = self.shape
        backbone = self.backbone.build(height, width)
        return DenseNetwork(backbone, self.task.head(backbone.info, len(self.data.classes), height, width))

    def check(self) -> None:
        """Raises UserError where the images are too few, or the network cannot be built for them."""
        count = len(self.data.split("train").targets)
        if self.settings.batch > count:
            raise UserError(
                f"batch={self.settings.batch}, expected at most {count}: that many training images there are"
            )
        self.untrained()

    def untrained(self) -> DenseNetwork:
        """Returns the same without a trace in torch's generator, for weights that are read."""
        with torch.random.fork_rng(devices=[]):
            return self.network()

    def normalisation(self) -> Normalisation:
        """Returns what the weights were trained with, of random ones the training images' own mean and deviation."""
        if self.backbone.normalisation is not None:
            return self.backbone.normalisation
        pixels = as_read(self.data.split("train").images, self.backbone.config.channels).permute(0, 3, 1, 2)
        return statistics(Images(pixels, torch.zeros(len(pixels), dtype=torch.int64)))

    def record(self) -> dict[str, Any]:
        """Returns, as plain values, all that the result depends on."""
        return {
            "schema": SCHEMA,
            "task": self.task.name,
            **self.backbone.record(),
            "data": {
                "classes": list(self.data.classes),
                **{f"{name}_sha256": fingerprint(self.data.split(name)) for name in SPLITS},
            },
            "settings": {name: value for name, value in asdict(self.settings).items() if name not in ELSEWHERE},
        }


def fingerprint(images: DenseImages) -> str:
    """Returns the SHA-256 of a split's images and targets."""
    digest = hashlib.sha256(images.images.numpy().tobytes())
    for target in images.targets:
        for part in (target,) if isinstance(target, Tensor) else (target[name] for name in sorted(target)):
            digest.update(str(tuple(part.shape)).encode())
            digest.update(part.numpy().tobytes())
    return digest.hexdigest()
