"""Xception's blocks: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017."""

from nastk.genotype.blocks import Block, Flag, Whole, act, enter, kernel

enter(
    Block(
        "xception",
        "nastk.blocks.xception",
        "separable convolutions, each after an activation, max pooling where strided, and a shortcut",
        {
            "layers": Whole(3, 1, 16),
            "act": act(),
            "act_first": Flag(True),  # whether an activation stands before the first convolution too
            "widen_last": Flag(False),  # the last layer changes the channels, rather than the first
        },
        idle={"layers": (1, ("widen_last",))},
    )
)
enter(
    Block(
        "xception_separable",
        "nastk.blocks.xception",
        "a depthwise and a 1x1 convolution with nothing between, normalisation, activation",
        {"kernel": kernel(), "act": act()},
    )
)
