"""Mixup and CutMix: each image of a batch is blended with another one of it, and their targets by the same shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Mixing:
    """Which blends there are; where both are above 0 each batch draws one of the two.

    Attributes:
        mixup: alpha of the Beta(alpha, alpha) that mixup draws its share from (Zhang et al. 2018, arXiv 1710.09412).
        cutmix: the same of CutMix (Yun et al. 2019, arXiv 1905.04899).
        classes: of the targets.
    """

    mixup: float
    cutmix: float
    classes: int


@dataclass(frozen=True)
class Blend:
    """How one batch is blended.

    Attributes:
        share: of each image and of its target that stays.
        box: of CutMix: first row, row after the last, first column, column after the last; None for mixup.
    """

    share: float
    box: tuple[int, int, int, int] | None = None


def draw_blends(mixing: Mixing, batches: int, size: int, seed: int) -> list[Blend]:
    """Returns the blends of so many batches of images of `size` pixels, a function of the arguments alone."""
    generator = np.random.default_rng(seed)
    blends = []
    for _ in range(batches):
        is_cutmix = bool(generator.random() < 0.5) if mixing.mixup and mixing.cutmix else mixing.cutmix > 0
        centre = generator.integers(0, size, 2).tolist()
        alpha = mixing.cutmix if is_cutmix else mixing.mixup
        share = float(generator.beta(alpha, alpha))
        blends.append(_box(share, centre, size) if is_cutmix else Blend(share))
    return blends


def blend(batch: Tensor, labels: Tensor, how: Blend, classes: int) -> tuple[Tensor, Tensor]:
    """Blends each image with the one before it in the batch, which is as good as any: batches are shuffled.

    Args:
        batch: float (n, size, size, channels).
        labels: int64 (n,).
        how: the share, and the box.
        classes: of the targets.

    Returns:
        The blended batch, and targets: float (n, classes), each row of sum 1.
    """
    if how.box is None:
        batch = torch.lerp(batch.roll(1, 0), batch, how.share)
    else:
        top, bottom, left, right = how.box
        inside = batch[:, top:bottom, left:right].roll(1, 0)
        batch = batch.clone()
        batch[:, top:bottom, left:right] = inside
    whole = one_hot(labels, classes).float()
    return batch, torch.lerp(whole.roll(1, 0), whole, how.share)


def _box(share: float, centre: list[int], size: int) -> Blend:
    """Returns CutMix's box around `centre`, cut off at the borders, with the share that this leaves."""
    side = round(size * math.sqrt(1 - share))
    top, left = (max(0, at - side // 2) for at in centre)
    bottom, right = (min(size, at - side // 2 + side) for at in centre)
    return Blend(1 - (bottom - top) * (right - left) / size**2, (top, bottom, left, right))
