"""Channel attention: a state weighted by what it holds as a whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.ops.conv import conv_bn
from nastk.ops.op import op
from nastk.ops.pooling import average_pool

REDUCTION = 4
LEAST_HIDDEN = 4
ALIVE = 0.5


class Gate(nn.Module):
    """Scales each channel by a factor in 0..1 computed from the means of all of them.

    Hu, Shen, Sun, "Squeeze-and-Excitation Networks", CVPR 2018. The factor is a sigmoid, not MobileNetV3's cheaper
    hard sigmoid: ONNX Runtime has int8 kernels for Sigmoid and Mul but none for HardSigmoid, which would cost a
    dequantize and a quantize.

    Shapes: (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // REDUCTION, LEAST_HIDDEN)
        squeeze, excite = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        # The means of a normalised state are near zero, so the bias alone would decide which of the few hidden units
        # are alive, and with torch's initial values all of them are dead in one gate of sixteen.
        squeeze.bias = nn.Parameter(torch.full((hidden,), ALIVE))
        self.weigh = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.weigh(x)
        return x * weights


@op("squeeze_excitation")
def squeeze_excitation(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Squeeze-and-excitation; average pooling where strided, a 1x1 convolution where channels differ."""
    layers: list[nn.Module] = [] if stride == 1 else [average_pool(stride)]
    layers.append(Gate(channels_in))
    if channels_in != channels_out:
        layers += conv_bn(channels_in, channels_out)
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)
