"""Squeeze-and-excitation: Hu, Shen, Sun, "Squeeze-and-Excitation Networks", CVPR 2018."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.layers import activation
from nastk.errors import unknown
from nastk.genotype.scaling import divisible

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


def squeezed(
    channels: int, channels_in: int, se: float, se_of: str, se_act: str, se_gate: str
) -> list[SqueezeExcitation]:
    """Returns squeeze-and-excitation inside a mobile block, nothing for a ratio of 0, to go into a `Sequential`.

    Args:
        channels: of the map that is weighted.
        channels_in: of what comes into the block.
        se: ratio of hidden channels; to `channels` they are rounded to eights, as in MobileNetV3 (Howard et al., ICCV
            2019), to `channels_in` down to whole ones, as in EfficientNet (Tan, Le, ICML 2019).
        se_of: "hidden" for a ratio to `channels`, "input" for one to `channels_in`.
        se_act: activation between the two layers.
        se_gate: "sigmoid" or "hardsigmoid".
    """
    if not se:
        return []
    hidden = divisible(channels * se) if se_of == "hidden" else max(int(channels_in * se), 1)
    return [SqueezeExcitation(channels, hidden, se_act, se_gate)]
