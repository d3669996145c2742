"""Blocks of parallel convolutions that are concatenated: GoogLeNet's inception, SqueezeNet's fire."""

from nastk.genotype.blocks import MOST_CHANNELS, Block, Flag, Whole, Wholes, act, enter

enter(
    Block(
        "inception",
        "nastk.blocks.inception",
        "1x1, 3x3, larger convolutions and pooling side by side; `branches` are the channels of each",
        {
            # 1x1; 1x1 before the 3x3, 3x3; 1x1 before the larger, the larger; 1x1 after the pooling
            "branches": Wholes((64, 96, 128, 16, 32, 32), 1, MOST_CHANNELS, count=6, channels=True),
            "large_kernel": Whole(5, 1, 31),
            "act": act(),
        },
        own_width=True,
    )
)
enter(
    Block(
        "fire",
        "nastk.blocks.fire",
        "a 1x1 convolution to `squeeze` channels, then a 1x1 and a 3x3 convolution side by side",
        {"squeeze": Whole(16, 1, MOST_CHANNELS, channels=True), "norm": Flag(False), "act": act()},
    )
)
