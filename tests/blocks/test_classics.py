"""The classic networks, as data in `conf/network`, have the published numbers of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nastk.config.build import load_yaml, plain, shipped
from nastk.genotype.stages import StageGenotype
from nastk.networks.stages import StageNetwork, build_stages

# Parameters with 1000 classes, of the implementation that the network's file names.
PUBLISHED = {"resnet50": 25_557_032}


def classic(name: str) -> dict[str, Any]:
    """Returns the content of a file of `conf/network`."""
    content: dict[str, Any] = plain(load_yaml(shipped("conf") / "network" / f"{name}.yaml"))
    return content


def built(
    name: str, classes: int = 1000, side: int | None = None, width: float = 1.0, depth: float = 1.0
) -> StageNetwork:
    """Returns a classic network on the meta device or whichever is current."""
    content = classic(name)
    size = side or content["size"]
    genotype = StageGenotype.from_dict(content["genotype"])
    sides = {"height": size, "width": size}
    return build_stages(genotype, classes=classes, channels=3, width_multiplier=width, depth_multiplier=depth, **sides)


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_a_classic_has_its_published_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = built(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
