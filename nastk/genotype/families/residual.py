"""Residual blocks: ResNet's, and with groups and squeeze-and-excitation those of ResNeXt, SE-ResNeXt and SENet-154."""

from nastk.genotype.blocks import MOST_CHANNELS, Block, Number, Whole, act, enter, squeeze

enter(
    Block(
        "residual_basic",
        "nastk.blocks.residual",
        "two 3x3 convolutions and a shortcut",
        {"act": act(), "se": squeeze()},
    )
)
enter(
    Block(
        "residual_bottleneck",
        "nastk.blocks.residual",
        "1x1, 3x3 and 1x1 convolutions and a shortcut",
        {
            "act": act(),
            "expansion": Number(4.0, 0.25, 16.0),  # channels that come out, to those of the 3x3 convolution
            "lead": Number(1.0, 0.125, 4.0),  # channels that the 3x3 convolution reads, to those that it gives
            "group_width": Whole(0, 0, MOST_CHANNELS),  # channels of a group of it; 0 for one group
            "se": squeeze(),
            "shortcut_kernel": Whole(1, 1, 7),  # of the shortcut's convolution where it strides
        },
        strided=("shortcut_kernel",),
    )
)
