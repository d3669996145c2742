"""Networks whose weights and statistics are lively enough that a wrong number anywhere shows in the logits."""

from __future__ import annotations

import random

import torch
from torch import nn

from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace
from nastk.spaces.space import random_genotype

SPACES = {"nasnet": NasnetSpace(), "darts": DartsSpace(), "nasbench201": NasBench201Space()}


def enliven(network: nn.Module, seed: int = 0) -> nn.Module:
    """Gives batch normalisations statistics as training would, and returns the network in eval mode."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.05, 0.4)
            if module.weight is not None:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def genotype(space: str = "nasnet", seed: int = 0) -> Genotype:
    return random_genotype(SPACES[space], random.Random(seed))


def network(space: str = "nasnet", seed: int = 0, **config: int) -> nn.Module:
    torch.manual_seed(seed)
    chosen = NetworkConfig(**{"cells": 1, "filters": 8, "size": 16, **config})
    return enliven(build_network(genotype(space, seed), chosen), seed)


def images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))


class Small(nn.Module):
    """Convolution, squeeze-and-excitation by hand, pooling, concatenation, linear: one of each kind."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.gate = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid())
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.head = nn.Linear(16, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = x * self.gate(torch.relu(x).mean((2, 3), keepdim=True))
        x = torch.cat([self.pool(x), self.depthwise(torch.relu(x))], 1)
        return self.head(torch.relu(x).mean((2, 3)))


def small() -> nn.Module:
    torch.manual_seed(0)
    return enliven(Small())
