"""Channel shuffle: what lets information pass between the groups of grouped convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.errors import UserError


class ChannelShuffle(nn.Module):
    """Deals the channels of `groups` equal parts out in turn: channel i of part g becomes channel i * groups + g.

    Zhang, Zhou, Lin, Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", CVPR
    2018.

    Shapes: (N, channels, H, W) to the same.

    Args:
        channels: that come in.
        groups: that divide them.

    Raises:
        UserError: channels that the groups do not divide.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        if channels % groups:
            raise UserError(f"channel shuffle of {channels} channels: not divisible by groups={groups}")
        self.channels = channels
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        parts = x.reshape(batch, self.groups, self.channels // self.groups, height, width)
        return parts.transpose(1, 2).reshape(batch, channels, height, width)
