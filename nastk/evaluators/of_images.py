"""What evaluators have in common that look at images: which they read, where, and how they go to another machine."""

from __future__ import annotations

import copy
import dataclasses
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from nastk.data.images import DataSource
from nastk.data.search_record import search_record
from nastk.data.sized import PartsBySize
from nastk.data.subsets import Drawn
from nastk.evaluators import Evaluator
from nastk.training.device import choose_device
from nastk.zero_cost.scoring import batch_of


class ImageEvaluator(Evaluator):
    """An evaluator of a data source; the dataclasses that derive from it have these fields.

    Attributes:
        data: where the images come from.
        seed: of the subset and of the split.
        device: that candidates are computed on.
        resolutions: image sizes that candidates may choose, pixels a side; follows from the space.
    """

    data: DataSource
    seed: int
    device: str
    resolutions: tuple[int, ...]

    def __getstate__(self) -> dict[str, Any]:
        """Returns the fields alone: another process reads the images itself."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def carried(self, device: str | None = None) -> Self:
        """Returns this evaluator as another machine takes it, which has no files of the data set.

        The images go along where they are in memory; where they are decoded batch by batch, the files are read there.

        Args:
            device: that it computes on there; None for the one that is set.
        """
        data = self._images.carried(self.resolutions)
        evaluator = copy.copy(self)  # the fields alone, unchecked: a device that is there need not be here
        vars(evaluator).update(data=data, device=device or self.device)
        return evaluator

    def batch_of(self, size: int, count: int) -> tuple[Tensor, Tensor]:
        """Returns some of the images that candidates are trained on, each class in proportion; see `Evaluator`."""
        return batch_of(self._images.at(size), count, self.seed, self._device)

    def data_record(self) -> dict[str, Any]:
        """Returns which images candidates are trained and scored on, for data.json; see `search_record`."""
        return search_record(self.data, self.seed, self._drawn, self._images.own.normalisation)

    @property
    def validated_on(self) -> list[int]:
        """How many images of each class a candidate is scored on."""
        return [int(count) for count in self._drawn.validation.y.bincount(minlength=len(self.data.classes))]

    def skipped_images(self) -> int:
        """Returns how many images could not be decoded so far and were left out."""
        return len(self.data.skipped.found)

    @cached_property
    def _images(self) -> PartsBySize:
        return PartsBySize(self.data, self.seed, self._device)

    @property
    def _drawn(self) -> Drawn:
        return self._images.own.drawn

    @cached_property
    def _device(self) -> torch.device:
        return choose_device(self.device)
