"""Blocks that save by shuffling, by convolving a part, or by merging branches after training."""

from nastk.genotype.blocks import Block, Flag, Number, Whole, act, enter, kernel
from nastk.genotype.families.mobile import IDLE_SQUEEZE, expansion, squeezed

MOST_BRANCHES = 16

enter(
    Block(
        "shuffle_v1",
        "nastk.blocks.shuffle",
        "grouped 1x1, shuffle, depthwise, grouped 1x1 (ShuffleNet)",
        {
            "groups": Whole(3, 1, 1024),
            "group_first": Flag(True),
            "kernel": kernel(),
            "act": act(),
            "squeeze": Number(0.25, 0.01, 1.0),
        },
        idle={"groups": (1, ("group_first",))},
    )
)
enter(
    Block(
        "shuffle_v2",
        "nastk.blocks.shuffle",
        "half the channels pass, half are convolved, then shuffled (ShuffleNetV2)",
        {"kernel": kernel(), "act": act()},
    )
)
enter(
    Block(
        "partial_conv",
        "nastk.blocks.partial",
        "a convolution of some of the channels, then two 1x1 of all, a skip (FasterNet)",
        {
            "kernel": kernel(),
            "part": Number(0.25, 0.01, 1.0),
            "expansion": expansion(2.0),
            "act": act(),
        },
    )
)
enter(
    Block(
        "rep_conv",
        "nastk.blocks.merging",
        "k x k, 1x1 and identity side by side in training, one convolution when exported (RepVGG)",
        {"kernel": kernel(), "act": act(), "groups": Whole(1, 1, 1024), "branches": Whole(1, 1, MOST_BRANCHES)},
    )
)
enter(
    Block(
        "mobileone",
        "nastk.blocks.merging",
        "depthwise and 1x1, each of many branches in training, one convolution when exported (MobileOne)",
        {"kernel": kernel(), "act": act(), "branches": Whole(1, 1, MOST_BRANCHES), **squeezed()},
        idle=IDLE_SQUEEZE,
    )
)
enter(
    Block(
        "global_pool",
        "nastk.blocks.pooled",
        "the mean of each channel; keeps the channels",
        keeps=True,
        own_width=True,
        repeats=False,
        strides=False,
    )
)
