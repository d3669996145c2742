"""A network that is to be a backbone: one that was trained, or a known one with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nastk.data.normalisation import Normalisation
from nastk.deploy.manifest import describe_files
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.features import FeatureNetwork
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, load_trained

COLOURS = (1, 3)


@dataclass(frozen=True)
class Backbone:
    """What a backbone is made of.

    Attributes:
        genotype, config: of the network.
        trained: the folder of its weights, as a transfer writes it; None for random ones.
        normalisation: that the weights were trained with; None where they are random.
    """

    genotype: Genotype
    config: NetworkConfig
    trained: Path | None = None
    normalisation: Normalisation | None = None

    @staticmethod
    def of_trained(folder: Path) -> Backbone:
        """Returns the backbone of a transfer folder; raises UserError where that is missing or damaged."""
        found = load_trained(folder)
        mean, std = (tuple(found.facts["normalisation"][name]) for name in ("mean", "std"))
        return Backbone(found.genotype, found.config, folder, Normalisation(mean, std))

    def build(self, height: int, width: int) -> FeatureNetwork:
        """Returns the network for images of another size than it was made for, perhaps; random weights are torch's.

        Raises:
            UserError: it cannot be built, is of images neither grey nor in colour, or has no feature maps of this size.
        """
        if self.config.channels not in COLOURS:
            raise UserError(f"network: channels={self.config.channels}, expected 1 or 3: images are grey or in colour")
        network: nn.Module
        if self.trained is None:
            network = build_network(self.genotype, self.config)
        else:
            network = load_trained(self.trained).network.train()
        return FeatureNetwork(network, self.config.channels, height, width)

    def record(self) -> dict[str, Any]:
        """Returns, as plain values, all that `build` depends on."""
        weights = None if self.trained is None else describe_files(self.trained, (WEIGHTS, GENOTYPE, NETWORK))
        return {"genotype": self.genotype.to_dict(), "network": self.config.to_dict(), "weights": weights}
