"""From a genotype and a configuration to a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.genotype.skeleton import DARTS, NASBENCH201, NASNET, STAGES, skeleton_named
from nastk.genotype.stages import StageGenotype
from nastk.networks.config import NetworkConfig
from nastk.networks.darts import build_darts
from nastk.networks.nasbench201 import build_nasbench201
from nastk.networks.nasnet import build_nasnet
from nastk.networks.stages import build_stages

# A genotype's class goes with its skeleton, so the first argument is of the one that the builder takes.
Builder = Callable[[Any, NetworkConfig], nn.Module]


def _stages(genotype: StageGenotype, config: NetworkConfig) -> nn.Module:
    return build_stages(
        genotype,
        classes=config.classes,
        channels=config.channels,
        height=config.height,
        width=config.width,
        width_multiplier=config.sizes["width_multiplier"],
        depth_multiplier=config.sizes["depth_multiplier"],
        drop_path=config.drop_path,
    )


BUILDERS: dict[str, Builder] = {
    NASNET.name: build_nasnet,
    DARTS.name: build_darts,
    NASBENCH201.name: build_nasbench201,
    STAGES.name: _stages,
}


def enter_builder(skeleton: str, build: Builder) -> None:
    """Enters what builds the networks of a skeleton; it gets a configuration whose sizes are complete.

    Raises:
        ValueError: the skeleton has one.
    """
    if skeleton in BUILDERS:
        raise ValueError(f"skeleton {skeleton!r} has a builder already")
    BUILDERS[skeleton] = build


def build_network(genotype: Genotype, config: NetworkConfig) -> nn.Module:
    """Builds the network, with random weights from torch's global generator, on the default device.

    The network has `auxiliary`, a head for training or None, and `set_drop_path_progress(fraction)`.

    Raises:
        UserError: an unknown op or skeleton, a configuration that the skeleton cannot work with, or one for images of
            another size than the genotype's own, see `NetworkConfig.of`.
    """
    if genotype.skeleton not in BUILDERS:
        raise unknown("skeleton", genotype.skeleton, BUILDERS)
    own = config.of(genotype)
    if own.shape != config.shape:
        raise UserError(
            f"genotype: resolution={own.size}, for images of {config.size} pixels: they are not brought to "
            f"another size within a network; give data.resize={own.size}"
        )
    return BUILDERS[genotype.skeleton](genotype, own.complete(skeleton_named(genotype.skeleton)))
