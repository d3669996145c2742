"""The drawing of a network as one SVG file, `picture=net.svg`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
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
from nastk.reports.stage_drawing import Map, draw_stages

SIZE = re.compile(r'width="(\d+)" height="(\d+)"')
BETWEEN = 10
# A page of the browser has no colour of its own; the drawings' letters are dark on light, or the other way round.
PAGE = "rect.nastk-page{fill:#ffffff}@media (prefers-color-scheme:dark){rect.nastk-page{fill:#14181f}}"


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


def one_page(drawings: Sequence[str]) -> str:
    """Returns one SVG text of several, one below the other on a page that is light or dark as their letters need it."""
    sizes = []
    for drawing in drawings:
        found = SIZE.search(drawing)
        assert found is not None, "a drawing says how large it is"
        sizes.append((int(found[1]), int(found[2])))
    width, height = max(wide for wide, _ in sizes), sum(high for _, high in sizes) + BETWEEN * (len(sizes) - 1)
    parts, y = [], 0
    for drawing, (_, high) in zip(drawings, sizes, strict=True):
        parts.append(drawing.strip().replace("<svg ", f'<svg y="{y}" ', 1))
        y += high + BETWEEN
    label = re.search('aria-label="([^"]*)"', drawings[0])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{label[1] if label else escape("network")}"><style>{PAGE}</style>'
        f'<rect class="nastk-page" width="{width}" height="{height}"/>{"".join(parts)}</svg>\n'
    )
