"""Residual blocks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

The stride is on the 3x3 convolution of the bottleneck, as in torchvision's ResNet, whose counts these are. With groups
it is ResNeXt's (Xie et al., CVPR 2017), with squeeze-and-excitation SE-ResNet's (Hu, Shen, Sun, CVPR 2018).
"""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.attention import SqueezeExcitation
from nastk.blocks.layers import activation, conv_norm_act, in_groups
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


def projection(channels_in: int, channels_out: int, stride: int, kernel: int = 1) -> nn.Module:
    """Returns the identity, or where sizes differ a strided convolution with normalisation.

    Without a stride the convolution is a 1x1 one, whatever the kernel, as in SENet-154.
    """
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_norm_act(channels_in, channels_out, kernel if stride > 1 else 1, stride, "none"))


def squeezed(channels: int, ratio: float) -> list[nn.Module]:
    """Returns squeeze-and-excitation of `ratio` as many hidden channels, nothing for 0, to go into a `Sequential`."""
    return [SqueezeExcitation(channels, max(round(channels * ratio), 1))] if ratio else []


@block("residual_basic")
def basic(channels_in: int, channels_out: int, stride: int, drop: float, *, act: str, se: float) -> nn.Module:
    """Two 3x3 convolutions and a shortcut."""
    branch = nn.Sequential(
        *conv_norm_act(channels_in, channels_out, 3, stride, act),
        *conv_norm_act(channels_out, channels_out, 3, 1, "none"),
        *squeezed(channels_out, se),
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
    lead: float,
    group_width: int,
    se: float,
    shortcut_kernel: int,
) -> nn.Module:
    """1x1, 3x3 and 1x1 convolutions, the middle one `expansion` times narrower, and a shortcut.

    The middle one's channels are a multiple of `group_width`; a scaled network has fewer or more groups, as wide as
    before. `lead` times as many go into it, as many of them in each group.
    """
    inner, groups = in_groups(channels_out / expansion, group_width)
    entered = max(round(lead * inner / groups), 1) * groups
    branch = nn.Sequential(
        *conv_norm_act(channels_in, entered, 1, 1, act),
        *conv_norm_act(entered, inner, 3, stride, act, groups),
        *conv_norm_act(inner, channels_out, 1, 1, "none"),
        *squeezed(channels_out, se),
    )
    shortcut = projection(channels_in, channels_out, stride, shortcut_kernel)
    return Residual(branch, shortcut, nn.Sequential(*activation(act)), drop)
