"""Narrower forms of one wide network of stages: which can be cut out of it, what that loses, and their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nastk.genotype.stages import StageGenotype
from nastk.networks.build import build_network
from nastk.networks.channels import network_channels
from nastk.networks.config import NetworkConfig
from nastk.networks.count import without_content
from nastk.networks.sliced import cuts, kept_channels, lost, sliced
from nastk.networks.stages import StageNetwork


class Cutting:
    """A wide network and what its channels are worth.

    Args:
        wide: its genotype.
        config: of it, and of every form.
    """

    def __init__(self, wide: StageGenotype, config: NetworkConfig) -> None:
        self._config = config
        with without_content():
            network = build_network(wide, config)
        assert isinstance(network, StageNetwork)
        self.channels = network_channels(network, config.channels)
        self._shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
        self._known: dict[str, dict[int, int] | None] = {}
        self._scores: Mapping[int, Tensor] = {
            group: torch.zeros(size, dtype=torch.float64) for group, size in self.channels.sizes.items()
        }

    def judge(self, scores: Mapping[int, Tensor]) -> None:
        """Takes the importance of each channel, see `nastk.training.importance`; before, all are worth nothing."""
        self._scores = scores

    def lost(self, form: StageGenotype) -> float | None:
        """Returns the importance of the channels that a form lacks; None where it cannot be cut out of the wide one."""
        cut = self._cut(form)
        return None if cut is None else lost(cut, self._scores)

    def weights(self, form: StageGenotype, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the tensors of a form that can be cut, from those of the wide network."""
        cut = self._cut(form)
        assert cut is not None
        return sliced(tensors, self.channels, kept_channels(cut, self._scores))

    def _cut(self, form: StageGenotype) -> dict[int, int] | None:
        if form.key not in self._known:
            with without_content():
                network = build_network(form, self._config)
            shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
            self._known[form.key] = cuts(self._shapes, shapes, self.channels)
        return self._known[form.key]
