"""Class-balanced parts of a set of images, drawn by a seed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nastk.checks import is_whole
from nastk.data.images import DataSource, ImageSet
from nastk.errors import UserError
from nastk.seeds import derive_seed


class Drawn(NamedTuple):
    """What a search trains on and validates on, and which of the set's training images these are.

    Attributes:
        train, validation: the images.
        train_indices: int64, ascending, places among all training images.
        validation_indices: the same of those held out; None where the set has a validation part of its own.
    """

    train: ImageSet
    validation: ImageSet
    train_indices: Tensor
    validation_indices: Tensor | None


def draw_parts(data: DataSource, seed: int) -> Drawn:
    """Draws what a search trains and validates on; the test images are not touched.

    First `data.validation` images are held out, unless the set has a validation part, then `data.subset` is drawn from
    the others, so that every subset of a seed is validated on the same images.

    Raises:
        UserError: the files are not what they should be, or `data.validation` or `data.subset` does not fit them.
    """
    train, validation, kept, validation_indices = _held_out(data, seed)
    chosen = subset_indices(train.y, data.subset, derive_seed(seed, "subset"))
    if len(chosen) == len(train):  # in order, so nothing needs to be copied
        return Drawn(train, validation, kept, validation_indices)
    return Drawn(train.take(chosen), validation, kept[chosen], validation_indices)


def search_parts(data: DataSource, seed: int) -> tuple[ImageSet, ImageSet]:
    """Returns what a search trains on and what it validates on, as `draw_parts`."""
    drawn = draw_parts(data, seed)
    return drawn.train, drawn.validation


def hold_out(data: DataSource, seed: int) -> tuple[ImageSet, ImageSet]:
    """Returns the training images less those held out, and those: as `draw_parts`, but for the subset."""
    drawn = _held_out(data, seed)
    return drawn.train, drawn.validation


def split(images: ImageSet, validation: int | float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Splits into a training and a validation part, as `split_indices` says."""
    kept, held = split_indices(images.y, validation, seed)
    return images.take(kept), images.take(held)


def split_indices(labels: Tensor, validation: int | float, seed: int) -> tuple[Tensor, Tensor]:
    """Splits into a training and a validation part.

    Args:
        labels: int64 (n,), of all images.
        validation: how many images to hold out, or which share of them (below 1).
        seed: draws them.

    Returns:
        Indices of the training and of the validation part, ascending, together all; each class in both in proportion.

    Raises:
        UserError: `validation` leaves a part without an image of each class.
    """
    held = _draw("validation", labels, _count("validation", validation, len(labels)), seed)
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[held] = False
    rest = kept.nonzero().flatten()
    if len(_labels(labels[rest])) < len(_labels(labels)):
        raise UserError(f"validation={validation}: leaves a class without a training image, of {len(labels)} images")
    return rest, held


def subset(images: ImageSet, size: int | float, seed: int) -> ImageSet:
    """Draws a part with each class in proportion, as `subset_indices` says."""
    return images.take(subset_indices(images.y, size, seed))


def subset_indices(labels: Tensor, size: int | float, seed: int) -> Tensor:
    """Draws a part with each class in proportion; returns its indices, ascending.

    Args:
        labels: int64 (n,), of all images.
        size: how many images, or which share of them (a float up to 1.0).
        seed: draws them.

    Raises:
        UserError: `size` is more than there are, or too few for an image of each class.
    """
    return _draw("subset", labels, _count("subset", size, len(labels)), seed)


def _held_out(data: DataSource, seed: int) -> Drawn:
    images, given = data.train(), data.validation_images()
    if given is not None:
        return Drawn(images, given, torch.arange(len(images)), None)
    kept, held = split_indices(images.y, data.validation, derive_seed(seed, "validation"))
    return Drawn(images.take(kept), images.take(held), kept, held)


def _count(name: str, size: int | float, available: int) -> int:
    if not is_whole(size) and not isinstance(size, float):
        raise UserError(f"{name}={size!r}, expected a number of images or a share of them")
    if isinstance(size, float) and not 0.0 < size <= 1.0:
        raise UserError(f"{name}={size}, expected a share above 0 and up to 1, or a whole number of images")
    count = round(size * available) if isinstance(size, float) else size
    if not 1 <= count <= available:
        raise UserError(f"{name}={size}, expected 1 to {available}: that many images there are")
    return count


def _draw(name: str, labels: Tensor, count: int, seed: int) -> Tensor:
    """Returns `count` indices in ascending order; each class gets its share, rounded by largest remainder."""
    members = [(labels == label).nonzero().flatten() for label in _labels(labels)]
    if count < len(members):
        raise UserError(f"{name}: {count} images, expected at least one of each of the {len(members)} classes")
    shares = [count * len(member) / len(labels) for member in members]
    sizes = [max(1, int(share)) for share in shares]
    while sum(sizes) != count:
        step = 1 if sum(sizes) < count else -1
        open_ = [i for i in range(len(sizes)) if 1 <= sizes[i] + step <= len(members[i])]
        best = max(open_, key=lambda i: step * (shares[i] - sizes[i]))
        sizes[best] += step
    generator = torch.Generator().manual_seed(seed)
    chosen = [
        member[torch.randperm(len(member), generator=generator)[:size]]
        for member, size in zip(members, sizes, strict=True)
    ]
    return torch.cat(chosen).sort().values


def _labels(labels: Tensor) -> list[int]:
    return labels.bincount().nonzero().flatten().tolist()
