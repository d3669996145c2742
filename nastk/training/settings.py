"""What every training can be told: the recipe, augmentation, and where it runs; checked where it is written."""

from __future__ import annotations

import dataclasses

from nastk.training.augment import Augmentation
from nastk.training.recipe import Recipe, check_integer


@dataclasses.dataclass(frozen=True)
class TrainingSettings(Recipe):
    """How a network is trained, in a search or in full.

    Attributes:
        crop, flip, cutout, padding: see `Augmentation`; None for the data source's own word on crop and flip.
        seed: of the weights, of the batches and of drop path.
        device: "auto", "cpu", "cuda" or "cuda:1".
        threads: CPU threads to train with; None takes one for images of up to 16 pixels a side, else all.
    """

    crop: float | None = None
    flip: bool | None = None
    cutout: float = 0.0
    padding: str = "reflect"
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_integer("seed", self.seed, 0)
        if self.threads is not None:
            check_integer("threads", self.threads, 1, 1024)
        self.augmentation(0.0, False)

    def augmentation(self, crop: float, flip: bool) -> Augmentation:
        """Returns the augmentation; `crop` and `flip` are the data source's word on them."""
        return Augmentation(
            crop=crop if self.crop is None else self.crop,
            flip=flip if self.flip is None else self.flip,
            cutout=self.cutout,
            padding=self.padding,
        )
