"""The parameters of a network in groups, as optimizers take them: what is decayed, and what is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

Groups = list[dict[str, Any]]


def by_decay(parameters: Iterable[nn.Parameter], weight_decay: float) -> Groups:
    """Returns those that are trained: weights, depthwise ones too, with decay; norms and biases without."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    found: Groups = [
        {"params": [one for one in trained if one.ndim >= 2], "weight_decay": weight_decay},
        {"params": [one for one in trained if one.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in found if group["params"]]
