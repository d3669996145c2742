"""Augmentation of a batch in one gather on the device: random crop, flip; then cutout on the result."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nastk.checks import check_flag, check_name, check_number

PADDINGS = ("reflect", "zero")


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied.

    Attributes:
        crop: how far an image is shifted at most, as a share of its side: 0.125 is 4 pixels of 32.
        flip: mirror half of the images in each epoch.
        alternate: mirror each image in every other epoch (as in airbench, Jordan 2024, arXiv 2404.00498); else by
            chance, in each epoch anew.
        cutout: side of the square that is blanked, as a share of the image's (DeVries and Taylor 2017,
            arXiv 1708.04552); 0.5 is 16 pixels of 32.
        padding: what a shifted image shows beyond its border, "reflect" or "zero" (black).
    """

    crop: float = 0.125
    flip: bool = False
    alternate: bool = True
    cutout: float = 0.0
    padding: str = "reflect"

    def __post_init__(self) -> None:
        for name, limit in (("crop", 0.5), ("cutout", 1.0)):
            check_number(name, getattr(self, name), 0, limit, kind="a share of the image's side")
        for name in ("flip", "alternate"):
            check_flag(name, getattr(self, name))
        check_name("padding", self.padding, PADDINGS)

    def pixels(self, size: int) -> tuple[int, int]:
        """Returns the greatest shift and the side of the cutout in pixels, for images of `size` pixels."""
        return min(int(self.crop * size + 0.5), size - 1), int(self.cutout * size + 0.5)


@dataclass(frozen=True, eq=False)
class Draws:
    """What chance decides for some images: all int64 on the device, (n, 2) rows and columns but for `mirrored`.

    Attributes:
        shift: pixels by which each image moves.
        centre: of the cutout.
        mirrored: bool (n,).
    """

    shift: Tensor
    centre: Tensor
    mirrored: Tensor

    def part(self, start: int, stop: int) -> Draws:
        """Returns those of images `start` to `stop`."""
        return Draws(self.shift[start:stop], self.centre[start:stop], self.mirrored[start:stop])


def draw(augmentation: Augmentation, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws shifts and cutout centres for `count` images of `size` pixels: two int64 tensors (count, 2)."""
    reach, _ = augmentation.pixels(size)
    shift = torch.randint(-reach, reach + 1, (count, 2), generator=generator)
    return shift, torch.randint(0, size, (count, 2), generator=generator)


def gather(pixels: Tensor, indices: Tensor, draws: Draws, augmentation: Augmentation) -> Tensor:
    """Cuts a batch out of a data set, shifted and mirrored.

    Args:
        pixels: uint8 (n, size, size, channels), the whole set; channels last, so that one gather moves whole pixels.
        indices: int64 (batch,), which images.
        draws: of these images.
        augmentation: what is done.

    Returns:
        uint8 (batch, size, size, channels).
    """
    size = pixels.shape[1]
    reach, _ = augmentation.pixels(size)
    if not reach and not augmentation.flip:
        return pixels[indices]
    line = torch.arange(size, device=pixels.device)
    rows = line + draws.shift[:, :1]
    columns = line + draws.shift[:, 1:]
    if augmentation.flip:
        columns = torch.where(draws.mirrored[:, None], size - 1 - columns, columns)
    batch = pixels[indices[:, None, None], _reflected(rows, size)[:, :, None], _reflected(columns, size)[:, None, :]]
    if reach and augmentation.padding == "zero":
        batch = batch * (_inside(rows, size)[:, :, None, None] & _inside(columns, size)[:, None, :, None])
    return batch


def cut_out(batch: Tensor, draws: Draws, side: int) -> Tensor:
    """Sets a square of each image to 0, the mean of normalised pixels; it may reach over the border.

    Args:
        batch: float (n, size, size, channels), normalised.
        draws: of these images.
        side: of the square in pixels.
    """
    line = torch.arange(batch.shape[1], device=batch.device)
    start = draws.centre - side // 2
    hit = [(line >= start[:, axis, None]) & (line < start[:, axis, None] + side) for axis in (0, 1)]
    return batch.masked_fill((hit[0][:, :, None] & hit[1][:, None, :])[..., None], 0.0)


def _reflected(position: Tensor, size: int) -> Tensor:
    return size - 1 - (size - 1 - position.abs()).abs()


def _inside(position: Tensor, size: int) -> Tensor:
    return (position >= 0) & (position < size)
