"""What candidates choose beside their blocks and cells, held against the images: resolutions, stems."""

from __future__ import annotations

import dataclasses

import torch

from nastk.errors import UserError
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stems import left
from nastk.spaces import NasnetSpace, Space, StageSpace
from nastk.spaces.resolutions import check_most

LEAST_PIXELS = 4  # a side that a stem leaves to the cells


def check_choices(space: Space, network: NetworkConfig) -> None:
    """Checks every choice of a space's candidates that depends on the images, before anything is trained.

    Args:
        space: of the search.
        network: what its candidates are built as.

    Raises:
        UserError: a resolution above the images', shares of a size that nobody has told the space, a stem that leaves
            the cells too few pixels, or that cannot be built in networks of this size.
    """
    if isinstance(space, StageSpace):
        _check_resolutions(space, network)
    if isinstance(space, NasnetSpace):
        _check_stems(space, network)


def _check_resolutions(space: StageSpace, network: NetworkConfig) -> None:
    if space.resolution and not space.resolutions:
        raise UserError(
            f"space: resolution={space.resolution}: shares of the images' size, which the space is not told; "
            "give space.size=null for the data's, or whole pixels"
        )
    check_most(max(space.resolutions, default=0), network.size)


def _check_stems(space: NasnetSpace, network: NetworkConfig) -> None:
    genotype = space.genotype(lambda _, options: options[0])
    for stem in space.stems:
        pixels = left(network.size, stem)
        if pixels < LEAST_PIXELS:
            raise UserError(
                f"space: stem={stem} leaves {pixels}x{pixels} of {network.size}x{network.size} pixels to the cells, "
                f"expected at least {LEAST_PIXELS}, which two reductions halve"
            )
        own = dataclasses.replace(genotype, stem=stem)
        with torch.device("meta"):
            build_network(own, network.of(own))
