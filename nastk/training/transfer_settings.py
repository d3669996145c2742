"""How the final network is trained: the recipe, augmentation and averaging, checked where they are written."""

from __future__ import annotations

import dataclasses

from nastk.training.augment import Augmentation
from nastk.training.recipe import Recipe, check_integer, check_number


@dataclasses.dataclass(frozen=True)
class TransferSettings(Recipe):
    """How the final network is trained.

    Attributes:
        average: share of the steps that the moving average of the weights remembers; 0 for no average.
        crop, cutout, padding: see `Augmentation`.
        flip: whether to mirror images, or None for the data source's own word.
        seed: of the weights, of the batches and of drop path.
        device: "auto", "cpu", "cuda" or "cuda:1".
        threads: CPU threads to train with, or None to leave them as they are.
    """

    epochs: int = 40
    average: float = 0.05
    crop: float = 0.125
    flip: bool | None = None
    cutout: float = 0.25
    padding: str = "reflect"
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_number("average", self.average, 0.0, 1.0)
        check_integer("seed", self.seed, 0)
        if self.threads is not None:
            check_integer("threads", self.threads, 1, 1024)
        self.augmentation(False)

    def augmentation(self, flip: bool) -> Augmentation:
        """Returns the augmentation; `flip` is the data source's word."""
        mirror = flip if self.flip is None else self.flip
        return Augmentation(crop=self.crop, flip=mirror, cutout=self.cutout, padding=self.padding)
