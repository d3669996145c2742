"""A classic network in a form for small images: the strides that come first are taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nastk.genotype.blocks import SAME
from nastk.genotype.genotype import Genotype
from nastk.genotype.sides import last_side
from nastk.genotype.stages import Stage, StageGenotype

LEAST_PIXELS = 4
LEAST_KERNEL = 3
POOLING = ("max_pool",)


def for_images(genotype: Genotype, height: int, width: int, least: int = LEAST_PIXELS) -> Genotype:
    """Returns the genotype with early strides halved until its last map has at least so many pixels a side.

    So it is done by hand for small images: ResNet's form for CIFAR-10 begins with a 3x3 convolution without a stride
    and without pooling (He et al., CVPR 2016). Early ones, because what they would throw away is what small images have
    least of. Convolutions of large kernels, which are large because of their stride, get smaller ones with it; pooling
    that no longer strides is left out. A genotype that leaves enough pixels is returned as it is, and so is one
    of cells, whose stem is chosen by the image.

    Args:
        genotype: of a network for larger images.
        height: of the image, pixels.
        width: of the image, pixels; what counts is the smaller one, or the genotype's own resolution.
        least: pixels a side that the last map is to have; if the image has fewer, no stride is left.
    """
    if not isinstance(genotype, StageGenotype):
        return genotype
    side = genotype.resolution or min(height, width)
    while last_side(genotype, side) < least:
        lowered = _first_stride_halved(genotype)
        if lowered is None:
            break
        genotype = lowered
    return genotype


def shortened(genotype: Genotype, height: int, width: int, least: int = LEAST_PIXELS) -> Genotype | None:
    """Returns the genotype that keeps its first stride and loses others, until its last map has enough pixels a side.

    The other way to fit a network to small images: pooling goes first, then the last strided stage with what follows
    it in the body, and so on. A budget then pays for fewer pixels and wider layers.

    Args:
        genotype: of a network for larger images.
        height, width, least: see `for_images`.

    Returns:
        None where the genotype leaves enough pixels as it is, or nothing of its body would be left.
    """
    if not isinstance(genotype, StageGenotype):
        return None
    side = genotype.resolution or min(height, width)
    left = genotype
    while last_side(left, side) < least:
        strided = [place for place, stage in enumerate(left.stages) if stage.stride > 1]
        stem = tuple(stage for stage in left.stem if stage.block not in POOLING)
        if stem and stem != left.stem:
            left = replace(left, stem=stem)
        elif strided and strided[-1]:
            left = replace(left, stages=left.stages[: strided[-1]])
        else:
            return None
    return None if left == genotype else left


def _first_stride_halved(genotype: StageGenotype) -> StageGenotype | None:
    """Returns the genotype with the first of its strides halved, None where there is none."""
    for name in ("stem", "stages", "head"):
        row: Sequence[Stage] = getattr(genotype, name)
        for place, stage in enumerate(row):
            if stage.stride > 1:
                gone = stage.block in POOLING and stage.stride < 4 and len(genotype.body) > 1
                instead = () if gone else (_halved(stage),)
                changed: dict[str, Any] = {name: (*row[:place], *instead, *row[place + 1 :])}
                return replace(genotype, **changed)
    return None


def _halved(stage: Stage) -> Stage:
    """Returns a stage of half the stride; a convolution's kernel and padding go with it."""
    stride = stage.stride // 2
    kernel, padding = (stage.every_option.get(name) for name in ("kernel", "padding"))
    if stage.block != "conv" or not isinstance(kernel, int):
        return replace(stage, stride=stride)
    patches = kernel == stage.stride and padding == 0
    if patches and stride > 1:
        changed = {"kernel": stride}
    elif patches or kernel > LEAST_KERNEL:
        odd = kernel * stride // stage.stride // 2 * 2 + 1
        changed = {"kernel": max(odd, LEAST_KERNEL), "padding": SAME}
    else:
        changed = {}
    return replace(stage, stride=stride, options=tuple({**stage.every_option, **changed}.items()))
