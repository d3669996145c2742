"""The small form of a network, `network.small=true`: stem and strides that suit images of 32 to 96 pixels."""

from __future__ import annotations

from dataclasses import replace

from nastk.genotype import Genotype
from nastk.genotype.small import LEAST_PIXELS, for_images
from nastk.genotype.stems import STRIDES
from nastk.networks import NetworkConfig
from nastk.networks.stems import fitted_stem

IMAGENET_STRIDE = 8
REDUCTIONS = 4  # by so much do the reduction cells of a network of cells take each side down


def small_form(genotype: Genotype, config: NetworkConfig) -> tuple[Genotype, NetworkConfig]:
    """Returns genotype and configuration in the form for images of the configuration's size.

    Of a network of stages early strides are taken back (`nastk.genotype.small`), of one of cells the stem becomes the
    one for such images. What leaves its last map at least 4 pixels a side stays as it is. Depth and width are not
    changed: a budget changes them.
    """
    height, width = config.shape[1:]
    changed = for_images(genotype, height, width)
    stem = config.stem
    if genotype.plan.cells and -(-min(height, width) // (_stride(stem) * REDUCTIONS)) < LEAST_PIXELS:
        stem = fitted_stem(min(height, width))
    return changed, replace(config, stem=stem)


def _stride(stem: str) -> int:
    return STRIDES.get(stem, IMAGENET_STRIDE)
