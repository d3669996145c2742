"""Class-balanced parts of a set of images, drawn by a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from nastk.errors import UserError
from nastk.training.data.images import DataSource, ImageSet
from nastk.training.seeds import derive_seed


def hold_out(data: DataSource, seed: int) -> tuple[ImageSet, ImageSet]:
    """Returns the training images less those held out, and those: `data.validation` of them, or the set's own part.

    Raises:
        UserError: the files are not what they should be, or `data.validation` does not fit them.
    """
    given = data.validation_images()
    if given is not None:
        return data.train(), given
    return split(data.train(), data.validation, derive_seed(seed, "validation"))


def search_parts(data: DataSource, seed: int) -> tuple[ImageSet, ImageSet]:
    """Returns what a search trains on and what it validates on; the test images are not touched.

    First the validation images are held out, then `data.subset` is drawn from the others, so that every subset of a
    seed is validated on the same images.

    Raises:
        UserError: as `hold_out`, or `data.subset` is more than what is left.
    """
    train, held = hold_out(data, seed)
    return subset(train, data.subset, derive_seed(seed, "subset")), held


def split(images: ImageSet, validation: int | float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Splits into a training and a validation part.

    Args:
        images: what to split.
        validation: how many images to hold out, or which share of them (below 1).
        seed: draws them.

    Returns:
        The training part and the validation part, disjoint, together all images; each class in both in proportion.

    Raises:
        UserError: `validation` leaves a part without an image of each class.
    """
    count = _count("validation", validation, len(images))
    held = _draw("validation", images.y, count, seed)
    kept = torch.ones(len(images), dtype=torch.bool)
    kept[held] = False
    train = images.take(kept.nonzero().flatten())
    if len(_labels(train.y)) < len(_labels(images.y)):
        raise UserError(f"validation={validation}: leaves a class without a training image, of {len(images)} images")
    return train, images.take(held)


def subset(images: ImageSet, size: int | float, seed: int) -> ImageSet:
    """Draws a part with each class in proportion.

    Args:
        images: what to draw from.
        size: how many images, or which share of them (a float up to 1.0).
        seed: draws them.

    Raises:
        UserError: `size` is more than there are, or too few for an image of each class.
    """
    return images.take(_draw("subset", images.y, _count("subset", size, len(images)), seed))


def _count(name: str, size: int | float, available: int) -> int:
    if isinstance(size, bool) or not isinstance(size, (int, float)):
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
