"""The table of layers that blocks are made of: each by its name in the field, built for a number of channels.

Most are torch's own; the table says which are held to shapes, gradients, the exported file and int8. What a cell may
choose as an operation is in `nastk.ops.OPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from nastk.errors import UserError, unknown
from nastk.ops.attention import Gate
from nastk.ops.drop_path import DropPath
from nastk.ops.norm import ChannelNorm
from nastk.ops.shuffle import ChannelShuffle

Make = Callable[[int], nn.Module]
GROUPS = 4

ACTIVATIONS: Mapping[str, Make] = {
    "relu": lambda _: nn.ReLU(),
    "relu6": lambda _: nn.ReLU6(),
    "hard_swish": lambda _: nn.Hardswish(),
    "silu": lambda _: nn.SiLU(),
    "gelu": lambda _: nn.GELU(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "hard_sigmoid": lambda _: nn.Hardsigmoid(),
}
CONVOLUTIONS: Mapping[str, Make] = {
    "strided_conv": lambda c: nn.Conv2d(c, c, 3, 2, 1),
    "dilated_conv": lambda c: nn.Conv2d(c, c, 3, padding=2, dilation=2),
    "grouped_conv": lambda c: nn.Conv2d(c, c, 3, padding=1, groups=GROUPS),
    "pointwise_conv": lambda c: nn.Conv2d(c, c, 1),
    "depthwise_conv": lambda c: nn.Conv2d(c, c, 5, padding=2, groups=c),
    "spatially_separable_conv": lambda c: nn.Sequential(
        nn.Conv2d(c, c, (1, 3), padding=(0, 1)), nn.Conv2d(c, c, (3, 1), padding=(1, 0))
    ),
    "transposed_conv": lambda c: nn.ConvTranspose2d(c, c, 4, 2, 1),
}
POOLINGS: Mapping[str, Make] = {
    "max_pool": lambda _: nn.MaxPool2d(3, 2, 1),
    "average_pool": lambda _: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "global_average_pool": lambda _: nn.AdaptiveAvgPool2d(1),
    "global_max_pool": lambda _: nn.AdaptiveMaxPool2d(1),
}
RESIZINGS: Mapping[str, Make] = {
    "nearest_upsampling": lambda _: nn.Upsample(scale_factor=2, mode="nearest"),
    "bilinear_upsampling": lambda _: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
}
NORMALISATIONS: Mapping[str, Make] = {
    "batch_norm": nn.BatchNorm2d,
    "layer_norm": ChannelNorm,
    "instance_norm": lambda c: nn.InstanceNorm2d(c, affine=True),
    "group_norm": lambda c: nn.GroupNorm(GROUPS, c),
}
OTHERS: Mapping[str, Make] = {
    "dropout": lambda _: nn.Dropout(0.2),
    # Stochastic depth (Huang et al., ECCV 2016) where it stands on a residual branch, drop path on a cell's edge.
    "drop_path": lambda _: DropPath(0.2),
    "squeeze_excitation": Gate,
    "channel_shuffle": lambda c: ChannelShuffle(c, GROUPS),
}
# On (N, C, L).
SEQUENCES: Mapping[str, Make] = {
    "conv_1d": lambda c: nn.Conv1d(c, c, 5, 2, 2),
    "depthwise_conv_1d": lambda c: nn.Conv1d(c, c, 3, padding=2, dilation=2, groups=c),
    "max_pool_1d": lambda _: nn.MaxPool1d(3, 2, 1),
    "average_pool_1d": lambda _: nn.AvgPool1d(2),
    "global_average_pool_1d": lambda _: nn.AdaptiveAvgPool1d(1),
    "batch_norm_1d": nn.BatchNorm1d,
}
MAPS: Mapping[str, Make] = {
    **CONVOLUTIONS,
    **POOLINGS,
    **RESIZINGS,
    **NORMALISATIONS,
    **ACTIVATIONS,
    **OTHERS,
}


def build_layer(name: str, channels: int) -> nn.Module:
    """Returns a layer of the table, with random weights, that takes and gives `channels` channels.

    Args:
        name: of the layer; those of `SEQUENCES` work on (N, channels, L), all others on (N, channels, H, W).
        channels: a multiple of 4.

    Raises:
        UserError: there is none of that name, or a number of channels that the groups do not divide.
    """
    every = {**MAPS, **SEQUENCES}
    if name not in every:
        raise unknown("layer", name, every)
    if channels < GROUPS or channels % GROUPS:
        raise UserError(f"layer {name!r}: channels={channels}, expected a multiple of {GROUPS}")
    return every[name](channels)
