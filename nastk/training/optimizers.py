"""The optimizers that a recipe can name, each over two groups of parameters: with weight decay and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

Groups = list[dict[str, Any]]


def groups(network: nn.Module, weight_decay: float) -> Groups:
    """Returns the parameters that are trained: weights, depthwise ones too, with decay; norms and biases without."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    found: Groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in found if group["params"]]


def sgd(parameters: Groups, learning_rate: float, momentum: float) -> torch.optim.Optimizer:
    """Returns stochastic gradient descent with Nesterov's momentum; decay is part of the gradient."""
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, nesterov=momentum > 0, fused=True)


def adamw(parameters: Groups, learning_rate: float, momentum: float) -> torch.optim.Optimizer:
    """Returns AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): `momentum` is its first beta, the second 0.999."""
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=(momentum, 0.999), fused=True)


OPTIMIZERS: Mapping[str, Callable[[Groups, float, float], torch.optim.Optimizer]] = {"sgd": sgd, "adamw": adamw}
