"""The drawing of a network as one SVG file, `picture=net.svg`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from nastk.errors import UserError
from nastk.files import write_text
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig
from nastk.networks.stages import StageNetwork
from nastk.reports.drawings import draw_genotype
from nastk.reports.one_page import one_page
from nastk.reports.stage_drawing import Map, draw_stages


def write_picture(path: Path, genotype: Genotype, config: NetworkConfig, network: nn.Module, told: str) -> None:
    """Draws the network into a file, which is replaced at once.

    Args:
        path: of the file.
        genotype, config: of the network, all sizes given.
        network: it, on the meta device.
        told: what the titles call it.

    Raises:
        UserError: a kind of network that has no drawing, or the file cannot be written.
    """
    if isinstance(genotype, StageGenotype) and isinstance(network, StageNetwork):
        scaling = Scaling(config.sizes["width_multiplier"], config.sizes["depth_multiplier"])
        drawings = [draw_stages(scaling.genotype(genotype), told, config.size, _maps(network, config))]
    else:
        drawings = list(draw_genotype(genotype, told).values())
    if not drawings:
        raise UserError(f"picture={str(path)!r}: networks of {genotype.skeleton!r} have no drawing")
    write_text(path, one_page(drawings))


def _maps(network: StageNetwork, config: NetworkConfig) -> list[Map]:
    """Returns channels and side of the map that each stage and each part of the head gives."""
    image = torch.empty(2, *config.shape, device="meta")  # two: a normalisation in training mode wants several values
    found = []
    for stage in (*network.stages, *network.head):
        image = stage(image)
        found.append(Map(image.shape[1], max(image.shape[2:])))
    return found
