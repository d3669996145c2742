"""Channel shuffle deals channels out as the paper says, and refuses what it cannot deal out."""

from __future__ import annotations

import pytest
import torch

from nastk.errors import UserError
from nastk.ops.shuffle import ChannelShuffle


def test_channel_i_of_part_g_becomes_channel_i_times_groups_plus_g() -> None:
    channels, groups = 12, 3
    found = ChannelShuffle(channels, groups)(torch.arange(channels).float().view(1, channels, 1, 1)).flatten().tolist()
    for part in range(groups):
        for place in range(channels // groups):
            assert found[place * groups + part] == part * (channels // groups) + place


def test_shuffling_by_the_other_factor_puts_channels_back() -> None:
    image = torch.randn(2, 12, 3, 5)
    assert torch.equal(ChannelShuffle(12, 4)(ChannelShuffle(12, 3)(image)), image)


def test_channels_that_the_groups_do_not_divide_are_refused() -> None:
    with pytest.raises(UserError, match=r"shuffle of 10 channels: not divisible by groups=3"):
        ChannelShuffle(10, 3)
