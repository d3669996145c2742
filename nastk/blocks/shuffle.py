"""Shuffle units: cheap grouped or halved convolutions, with a shuffle that lets all channels meet in time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nastk.blocks.layers import activation, conv_norm_act
from nastk.blocks.register import block
from nastk.blocks.residual import Residual
from nastk.errors import UserError
from nastk.ops.drop_path import DropPath
from nastk.ops.shuffle import ChannelShuffle


class Joined(nn.Module):
    """What a shortcut and a branch give, one after the other, then some layers.

    Shapes: (N, channels_in, H, W) to (N, channels of both, H', W') of the shortcut and the branch.
    """

    def __init__(self, shortcut: nn.Module, branch: nn.Module, after: nn.Module, drop: float) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.branch = branch
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.after(torch.cat((self.shortcut(x), self.drop(self.branch(x))), 1))
        return result


class Halves(nn.Module):
    """Half of the channels as they are, the others through a branch, then a shuffle of the two.

    Shapes: (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int, branch: nn.Module, drop: float) -> None:
        super().__init__()
        self.kept = channels // 2
        self.branch = branch
        self.drop: nn.Module = DropPath(drop) if drop else nn.Identity()
        self.shuffle = ChannelShuffle(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        changed = self.drop(self.branch(x[:, self.kept :]))
        result: Tensor = self.shuffle(torch.cat((x[:, : self.kept], changed), 1))
        return result


def _pooled(stride: int) -> list[nn.Module]:
    return [nn.AvgPool2d(3, stride, 1)] if stride > 1 else []


@block("shuffle_v1")
def shuffle_v1(
    channels_in: int,
    channels_out: int,
    stride: int,
    drop: float,
    *,
    groups: int,
    group_first: bool,
    kernel: int,
    act: str,
    squeeze: float,
) -> nn.Module:
    """Grouped 1x1 to `squeeze` of the channels, shuffle, depthwise, grouped 1x1, and a shortcut.

    Zhang, Zhou, Lin, Sun, "ShuffleNet", CVPR 2018. A block that adds channels gives only those that are missing beside
    the ones that come in, which are average-pooled where it strides; one that adds none is summed with a shortcut that
    is pooled and projected where it must be. `group_first` is false in the paper's very first unit, whose few channels
    the first 1x1 mixes as a whole. Channels that come in or are missing and are no multiple of the groups, as happens
    in scaled networks, are convolved in as many groups as divide them.
    """
    if channels_out % groups:
        raise UserError(f"shuffle_v1 of width={channels_out}: not divisible by groups={groups}")
    inner = max(round(channels_out * squeeze / groups), 1) * groups
    keeps = stride == 1 and channels_in == channels_out
    joined = not keeps and channels_out > channels_in
    made = channels_out - channels_in if joined else channels_out
    first = math.gcd(groups, channels_in) if group_first else 1
    branch = nn.Sequential(
        *conv_norm_act(channels_in, inner, 1, 1, act, first),
        *([ChannelShuffle(inner, groups)] if groups > 1 else []),
        *conv_norm_act(inner, inner, kernel, stride, "none", inner),
        *conv_norm_act(inner, made, 1, 1, "none", math.gcd(groups, made)),
    )
    after = nn.Sequential(*activation(act))
    if joined:
        return Joined(nn.Sequential(*_pooled(stride)), branch, after, drop)
    project = [] if channels_in == channels_out else conv_norm_act(channels_in, channels_out, 1, 1, "none")
    return Residual(branch, nn.Sequential(*_pooled(stride), *project), after, drop)


@block("shuffle_v2")
def shuffle_v2(channels_in: int, channels_out: int, stride: int, drop: float, *, kernel: int, act: str) -> nn.Module:
    """1x1, depthwise and 1x1 of half the channels beside the other half as it is, then a shuffle.

    Where channels or resolution change, both halves are made of all that comes in, the second by a depthwise and a 1x1
    convolution. Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    ECCV 2018.
    """
    if channels_out % 2:
        raise UserError(f"shuffle_v2 of width={channels_out}: expected an even number of channels, for two halves")
    half = channels_out // 2
    keeps = stride == 1 and channels_in == channels_out
    branch = nn.Sequential(
        *conv_norm_act(half if keeps else channels_in, half, 1, 1, act),
        *conv_norm_act(half, half, kernel, stride, "none", half),
        *conv_norm_act(half, half, 1, 1, act),
    )
    if keeps:
        return Halves(channels_out, branch, drop)
    other = nn.Sequential(
        *conv_norm_act(channels_in, channels_in, kernel, stride, "none", channels_in),
        *conv_norm_act(channels_in, half, 1, 1, act),
    )
    return Joined(other, branch, ChannelShuffle(channels_out, 2), drop)
