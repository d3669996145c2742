"""Residual blocks that normalise and activate first: He et al., "Identity Mappings in Deep Residual Networks", 2016."""

from nastk.genotype.blocks import Block, Number, act, enter

enter(
    Block(
        "preact_basic",
        "nastk.blocks.preactivation",
        "two 3x3 convolutions, each after normalisation and activation, and a shortcut",
        {"act": act()},
    )
)
enter(
    Block(
        "preact_bottleneck",
        "nastk.blocks.preactivation",
        "1x1, 3x3 and 1x1 convolutions, each after normalisation and activation, and a shortcut",
        {"act": act(), "expansion": Number(4.0, 0.25, 16.0)},
    )
)
