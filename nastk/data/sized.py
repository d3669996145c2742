"""A data source at another image size, and the parts that a search trains on at each size that its candidates have."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import torch

from nastk.data.carried import CarriedImages
from nastk.data.images import DataSource, Images
from nastk.data.normalisation import Normalisation, statistics
from nastk.data.subsets import Drawn, draw_parts
from nastk.errors import UserError


def data_at(data: DataSource, size: int) -> DataSource:
    """Returns the source with images of `size` pixels a side; 0 for those it has.

    Each image is brought to that size from its file or array, not from what another size has left of it: as whoever
    uses the deployed network will do it. Labels, splits and seeds stay what they are.

    Raises:
        UserError: a source that cannot be set to another size.
    """
    if size in (0, data.size):
        return data
    if isinstance(data, CarriedImages):
        return data.at(size)
    known = dataclasses.is_dataclass(data) and any(one.name == "resize" for one in dataclasses.fields(data))
    if not known:
        raise UserError(f"data {data.name}: cannot be brought to {size} pixels: it has no setting `resize`")
    made = dataclasses.replace(cast(Any, data), resize=size)
    vars(made)["skipped"] = data.skipped  # a file that cannot be decoded is one whatever the size
    return cast(DataSource, made)


@dataclass(frozen=True)
class SizedParts:
    """What candidates of one image size are trained and scored on."""

    data: DataSource
    drawn: Drawn

    @cached_property
    def normalisation(self) -> Normalisation:
        """Counted on the training part."""
        return statistics(self.drawn.train)


@dataclass
class PartsBySize:
    """A search's images at the sizes that candidates ask for.

    Those of the source's own size are kept; of the others those that were asked for last, as many as together take no
    more than `data.memory_gb`, and one in any case: the rest are decoded again when they are asked for again, to the
    same pixels.

    Attributes:
        data: the source.
        seed: draws the parts.
        device: that images are kept on.
    """

    data: DataSource
    seed: int
    device: torch.device
    _kept: dict[int, SizedParts] = field(default_factory=dict)

    @cached_property
    def own(self) -> SizedParts:
        """The parts at the source's own size; raises UserError as `draw_parts`."""
        return self._read(self.data.size)

    def at(self, size: int) -> SizedParts:
        """Returns the parts at a size; raises UserError as `draw_parts` and `data_at`."""
        if size == self.data.size:
            return self.own
        found = self._kept.pop(size, None)
        if found is None:
            self._make_room(size)
            found = self._read(size)
        self._kept[size] = found
        return found

    def carried(self, sizes: Collection[int]) -> DataSource:
        """Returns a source that holds what was drawn, at some sizes beside its own, for where its files are not.

        A source whose images are decoded when they are asked for is returned as it is: its files are read there.
        """
        own = _pixels(self.own.drawn)
        if own is None:
            return self.data
        others = {size: _pixels(self.at(size).drawn) for size in sizes if size != self.data.size}
        return CarriedImages.of(self.data, *own, {size: two for size, two in others.items() if two is not None})

    def _read(self, size: int) -> SizedParts:
        data = data_at(self.data, size)
        return SizedParts(data, drawn_on(data, self.seed, self.device))

    def _make_room(self, size: int) -> None:
        """Gives back those that were asked for longest ago, before others are decoded."""
        needed = (len(self.own.drawn.train) + len(self.own.drawn.validation)) * self.data.channels * size**2
        while self._kept and needed + sum(_bytes(one.drawn) for one in self._kept.values()) > self.data.memory_gb * 1e9:
            del self._kept[next(iter(self._kept))]


def drawn_on(data: DataSource, seed: int, device: torch.device) -> Drawn:
    """Returns what a search trains and validates on, in memory on a device as far as `data.memory_gb` holds it."""
    drawn = draw_parts(data, seed)
    return drawn._replace(train=drawn.train.to(device), validation=drawn.validation.to(device))


def _pixels(drawn: Drawn) -> tuple[Images, Images] | None:
    """Returns the training and the validation part, None where they are not both in memory."""
    train, held = drawn.train, drawn.validation
    return (train, held) if isinstance(train, Images) and isinstance(held, Images) else None


def _bytes(drawn: Drawn) -> int:
    held = [images for images in (drawn.train, drawn.validation) if isinstance(images, Images)]
    return sum(images.x.numel() for images in held)
