"""Blocks that add to what they are given: DenseNet's stages and transitions, and dual path networks' stages."""

from nastk.genotype.blocks import MOST_CHANNELS, Block, Number, Whole, act, enter

enter(
    Block(
        "dense",
        "nastk.blocks.dense",
        "layers that each read all before them and add `growth` channels; depth is the number of layers",
        {"growth": Whole(32, 1, MOST_CHANNELS, channels=True), "bottleneck": Number(4.0, 0.25, 16.0), "act": act()},
        repeats=False,
        own_width=True,
    )
)
enter(
    Block(
        "dense_transition",
        "nastk.blocks.dense",
        "normalisation, activation, 1x1 convolution, average pooling by the stride",
        {"act": act()},
        floors=True,
    )
)
enter(
    Block(
        "dual_path",
        "nastk.blocks.dual_path",
        "bottlenecks that add to a residual path of the stage's width and append `growth` channels to a dense one",
        {
            "growth": Whole(16, 1, MOST_CHANNELS, channels=True),
            "expansion": Number(1.0, 0.125, 16.0),  # channels of the residual path, to those of the 3x3 convolution
            "group_width": Whole(0, 0, MOST_CHANNELS),  # channels of a group of it; 0 for one group
            "act": act(),
        },
        repeats=False,
    )
)
