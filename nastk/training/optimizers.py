"""The optimizers that a recipe can name, over all trained parameters of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from nastk.training.muon import Muon, muon_groups
from nastk.training.parameter_groups import by_decay


def sgd(network: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Returns stochastic gradient descent with Nesterov's momentum; decay is part of the gradient."""
    return torch.optim.SGD(
        by_decay(network.parameters(), weight_decay),
        lr=learning_rate,
        momentum=momentum,
        nesterov=momentum > 0,
        fused=True,
    )


def adamw(network: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Returns AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): `momentum` is its first beta, the second 0.999."""
    return torch.optim.AdamW(
        by_decay(network.parameters(), weight_decay), lr=learning_rate, betas=(momentum, 0.999), fused=True
    )


def muon(network: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Returns Muon for kernels, stochastic gradient descent for all else; see `nastk.training.muon`."""
    return Muon(muon_groups(network, weight_decay), learning_rate, momentum)


Maker = Callable[[nn.Module, float, float, float], torch.optim.Optimizer]
OPTIMIZERS: Mapping[str, Maker] = {"sgd": sgd, "adamw": adamw, "muon": muon}
