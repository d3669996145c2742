"""Squeeze-and-excitation: Hu, Shen, Sun, "Squeeze-and-Excitation Networks", CVPR 2018."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.layers import activation
from nastk.errors import unknown

GATES: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "hardsigmoid": nn.Hardsigmoid}


class SqueezeExcitation(nn.Module):
    """Scales each channel by a factor in 0..1 computed from the means of all of them.

    Shapes: (N, channels, H, W) to the same.

    Args:
        channels: of the map.
        hidden: channels of the layer between.
        act: of that layer, a name of `activation`.
        gate: what makes the factor, "sigmoid" or "hardsigmoid".

    Raises:
        UserError: an unknown activation or gate.
    """

    def __init__(self, channels: int, hidden: int, act: str = "relu", gate: str = "sigmoid") -> None:
        super().__init__()
        if gate not in GATES:
            raise unknown("gate", gate, GATES)
        squeeze, excite = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        self.weigh = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, *activation(act), excite, GATES[gate]())

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.weigh(x)
        return x * weights
