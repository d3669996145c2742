"""Layers that blocks are made of: activations by name, convolution with normalisation and activation."""

from __future__ import annotations

from torch import nn

from nastk.errors import UserError, unknown
from nastk.genotype.blocks import SAME
from nastk.ops.strided import trained_on_pixels

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def activation(name: str) -> list[nn.Module]:
    """Returns the activation of a name, nothing for "none", to go into a `Sequential`.

    Raises:
        UserError: there is none of that name.
    """
    if name == "none":
        return []
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return [ACTIVATIONS[name]()]


def conv(
    channels_in: int,
    channels_out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    padding: int = SAME,
    bias: bool = False,
) -> nn.Conv2d:
    """Returns a convolution; with the default padding it gives ceil(size / stride) pixels a side for odd kernels.

    Raises:
        UserError: channels that the groups do not divide, or an even kernel, which has no centre, without a padding.
    """
    if channels_in % groups or channels_out % groups:
        raise UserError(f"convolution of {channels_in} to {channels_out} channels: not divisible by groups={groups}")
    reach = dilation * (kernel - 1)
    if padding == SAME and reach % 2:
        raise UserError(f"convolution of kernel={kernel}: expected an odd kernel, or a padding of its own")
    pad = reach // 2 if padding == SAME else padding
    return trained_on_pixels(
        nn.Conv2d(channels_in, channels_out, kernel, stride, pad, dilation, groups=groups, bias=bias)
    )


def conv_norm_act(
    channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, act: str = "relu", groups: int = 1
) -> list[nn.Module]:
    """Returns convolution, batch normalisation and activation, to go into a `Sequential`."""
    return [
        conv(channels_in, channels_out, kernel, stride, groups),
        nn.BatchNorm2d(channels_out),
        *activation(act),
    ]


def norm_act_conv(
    channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, act: str = "relu", groups: int = 1
) -> list[nn.Module]:
    """Returns batch normalisation, activation and convolution, to go into a `Sequential`."""
    return [nn.BatchNorm2d(channels_in), *activation(act), conv(channels_in, channels_out, kernel, stride, groups)]


def started_alive(convolution: nn.Conv2d) -> nn.Conv2d:
    """Returns a convolution that no normalisation follows, with weights that keep its signal's size through ReLUs.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015; with torch's own, smaller ones the signal of a
    plain network of ten layers has faded before its end, and training does not begin.
    """
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def in_groups(channels: float, width: int) -> tuple[int, int]:
    """Returns the multiple of a group's width nearest to `channels`, at least one group, and the number of groups.

    So a grouped convolution of any width keeps the width of its groups, and has fewer or more of them. 0 stands for
    one group of all channels.
    """
    if not width:
        return max(round(channels), 1), 1
    groups = max(round(channels / width), 1)
    return groups * width, groups
