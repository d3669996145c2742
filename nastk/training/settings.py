"""What every training can be told: recipe, augmentation, averaging, where it runs; checked where it is written."""

from __future__ import annotations

import dataclasses

from nastk.checks import MOST, check_number, check_whole
from nastk.training.augment import Augmentation
from nastk.training.class_weights import check_class_weights
from nastk.training.mixing import Mixing
from nastk.training.recipe import Recipe
from nastk.training.warp import Warp


@dataclasses.dataclass(frozen=True)
class TrainingSettings(Recipe):
    """How a network is trained, in a search or in full.

    Attributes:
        average: share of the steps that the moving average of the weights remembers; 0 for no average.
        crop, flip, alternate, cutout, padding: see `Augmentation`; None for the data source's own word on crop, flip.
        rotate, zoom, colour: see `Warp`; 0 for none.
        mixup, cutmix: see `Mixing`; 0 for neither.
        seed: of the weights, of the batches and of drop path.
        device: "auto", "cpu", "cuda" or "cuda:1".
        threads: CPU threads to train with; None takes one for images of up to 16 pixels a side, else all.
        class_weights: how much the images of each class count, see `class_weights`: "balanced", a number for each class
            in their order, or None for all alike.
    """

    average: float = 0.0
    crop: float | None = None
    flip: bool | None = None
    alternate: bool = True
    cutout: float = 0.0
    padding: str = "reflect"
    rotate: float = 0.0
    zoom: float = 0.0
    colour: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    class_weights: str | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Checks every value; raises UserError."""
        super().__post_init__()
        check_number("average", self.average, 0, 1)
        check_number("mixup", self.mixup, 0)
        check_number("cutmix", self.cutmix, 0)
        check_whole("seed", self.seed, 0, MOST)
        if self.threads is not None:
            check_whole("threads", self.threads, 1, 1024)
        check_class_weights(self.class_weights)
        self.augmentation(0.0, False)
        self.warp()

    def augmentation(self, crop: float, flip: bool) -> Augmentation:
        """Returns the augmentation; `crop` and `flip` are the data source's word on them."""
        return Augmentation(
            crop=crop if self.crop is None else self.crop,
            flip=flip if self.flip is None else self.flip,
            alternate=self.alternate,
            cutout=self.cutout,
            padding=self.padding,
        )

    def warp(self) -> Warp:
        """Returns how images are turned, zoomed and recoloured."""
        return Warp(self.rotate, self.zoom, self.colour)

    def mixing(self, classes: int) -> Mixing | None:
        """Returns how images of so many classes are blended, or None."""
        return Mixing(self.mixup, self.cutmix, classes) if self.mixup or self.cutmix else None
