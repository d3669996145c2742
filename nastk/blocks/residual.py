"""Residual blocks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

The stride is on the 3x3 convolution of the bottleneck, as in torchvision's ResNet, whose counts these are.
"""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.layers import activation, conv_norm_act
from nastk.blocks.register import block
from nastk.ops.drop_path import DropPath


class Residual(nn.Module):
    """The sum of a branch and a shortcut, then an activation.

    Shapes: (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module, after: nn.Module, drop: float = 0.0) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.after(self.drop(self.branch(x)) + self.shortcut(x))
        return result


def projection(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Returns the identity, or a strided 1x1 convolution with normalisation where sizes differ."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_norm_act(channels_in, channels_out, 1, stride, "none"))


@block("residual_basic")
def basic(channels_in: int, channels_out: int, stride: int, drop: float, *, act: str, se: float) -> nn.Module:
    """Two 3x3 convolutions and a shortcut."""
    branch = nn.Sequential(
        *conv_norm_act(channels_in, channels_out, 3, stride, act),
        *conv_norm_act(channels_out, channels_out, 3, 1, "none"),
    )
    return Residual(branch, projection(channels_in, channels_out, stride), nn.Sequential(*activation(act)), drop)


@block("residual_bottleneck")
def bottleneck(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    act: str,
    expansion: float,
    groups: int,
    se: float,
) -> nn.Module:
    """1x1, 3x3 and 1x1 convolutions, the middle ones `expansion` times narrower, and a shortcut."""
    inner = max(round(channels_out / expansion), 1)
    branch = nn.Sequential(
        *conv_norm_act(channels_in, inner, 1, 1, act),
        *conv_norm_act(inner, inner, 3, stride, act, groups),
        *conv_norm_act(inner, channels_out, 1, 1, "none"),
    )
    return Residual(branch, projection(channels_in, channels_out, stride), nn.Sequential(*activation(act)), drop)
