"""The parts that a network is made of for a person who reads a table: blocks or cells, stem and head."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from nastk.blocks.cell import CellModule
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.networks.config import NetworkConfig
from nastk.networks.stages import StageNetwork


def parts_of(network: nn.Module, genotype: Genotype, config: NetworkConfig) -> dict[str, str]:
    """Returns, by its path in the network, what each part is called, in the order in which they stand.

    A stage of several blocks has a part for each of them. Every weight of the network is below one of the paths.

    Args:
        network: that was built.
        genotype: of it.
        config: of it, with all sizes.
    """
    if isinstance(network, StageNetwork) and isinstance(genotype, StageGenotype):
        return dict(_blocks(network, genotype, config))
    found: dict[str, str] = {}
    for name, child in network.named_children():
        inner = list(child.named_children()) if isinstance(child, nn.ModuleList) else []
        found |= {f"{name}.{place}": _name(module) for place, module in inner} or {name: name}
    return found


def _blocks(network: StageNetwork, genotype: StageGenotype, config: NetworkConfig) -> Iterator[tuple[str, str]]:
    scaled = Scaling(depth=config.sizes["depth_multiplier"]).depths(genotype)
    paths = [*(f"stages.{place}" for place in range(len(network.stages)))]
    paths += [f"head.{place}" for place in range(len(network.head))]
    for path, (stage, depth) in zip(paths, scaled, strict=True):
        name, module = stage.block.replace("_", " "), network.get_submodule(path)
        # A family that builds its stage whole may put its blocks otherwise; then the stage is one part.
        if isinstance(module, nn.Sequential) and len(module) == depth > 1:
            yield from ((f"{path}.{place}", name) for place in range(depth))
        else:
            yield path, name
    yield "classifier", genotype.classifier.block.replace("_", " ")


def _name(module: nn.Module) -> str:
    if isinstance(module, CellModule):
        return "reduction cell" if module.stride > 1 else "normal cell"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(module).__name__).lower()
