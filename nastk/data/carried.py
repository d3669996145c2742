"""A search's images on their way to another machine: the drawn parts in memory, in place of files to read them from."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nastk.data.images import DataSource, Images, ImageSet
from nastk.data.resize import resized
from nastk.data.stored import Skipped
from nastk.errors import UserError

FROM_SOURCE = ("name", "classes", "channels", "size", "flip", "crop", "resize", "resized", "memory_gb", "workers")


@dataclass(frozen=True, eq=False)
class CarriedImages:
    """A data source that holds what a search drew of another one, and from which the same is drawn again.

    It pickles with its images, as numpy arrays: what hands pickles over by shared memory then copies none. The test
    images do not come along.

    Attributes:
        x, y: uint8 (n, channels, size, size) and int64 (n,), what is trained on.
        validation_x, validation_y: what is validated on.
        name, classes, channels, size, flip, crop, resize, resized, memory_gb, workers: the other source's.
        others: `x` and `validation_x` at further image sizes, by pixels a side; the labels are the same.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    validation_x: NDArray[np.uint8]
    validation_y: NDArray[np.int64]
    name: str
    classes: tuple[str, ...]
    channels: int
    size: int
    flip: bool
    crop: float
    resize: int | None
    resized: bool
    memory_gb: float
    workers: int | None
    subset: float = 1.0
    validation: float = 0.2
    skipped: Skipped = dataclasses.field(default_factory=Skipped)
    others: Mapping[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = dataclasses.field(default_factory=dict)

    @staticmethod
    def of(
        data: DataSource,
        train: Images,
        validation: Images,
        others: Mapping[int, tuple[Images, Images]] | None = None,
    ) -> CarriedImages:
        """Returns the source of these two parts of `data`, and of the same at other sizes."""
        return CarriedImages(
            x=train.x.cpu().numpy(),
            y=train.y.cpu().numpy(),
            validation_x=validation.x.cpu().numpy(),
            validation_y=validation.y.cpu().numpy(),
            others={
                size: (one.x.cpu().numpy(), other.x.cpu().numpy()) for size, (one, other) in (others or {}).items()
            },
            **{name: getattr(data, name) for name in FROM_SOURCE},
        )

    def at(self, size: int) -> CarriedImages:
        """Returns the same images with `size` pixels a side: those that came along, else brought to it from these."""
        if size in self.others:
            x, validation_x = self.others[size]
        else:
            x, validation_x = (resized(torch.tensor(one), size).numpy() for one in (self.x, self.validation_x))
        return dataclasses.replace(
            self, x=x, validation_x=validation_x, size=size, resize=size, resized=True, others={}
        )

    def train(self) -> ImageSet:
        """Returns what is trained on: all of it, for it was drawn already."""
        return _images(self.x, self.y)

    def validation_images(self) -> ImageSet | None:
        """Returns what is validated on."""
        return _images(self.validation_x, self.validation_y)

    def test(self) -> ImageSet:
        """Raises UserError: they were left where they are."""
        raise UserError(f"data {self.name}: the test images are not where candidates are trained")

    def facts(self) -> dict[str, Any]:
        """Returns nothing: the other source says how it was read."""
        return {}


def _images(x: NDArray[np.uint8], y: NDArray[np.int64]) -> Images:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")  # shared memory is not, and nothing writes to it
        return Images(torch.from_numpy(x), torch.from_numpy(y))
