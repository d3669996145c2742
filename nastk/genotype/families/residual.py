"""Residual blocks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016."""

from nastk.genotype.blocks import Block, Number, Whole, act, enter, squeeze

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
        {"act": act(), "expansion": Number(4.0, 0.25, 16.0), "groups": Whole(1, 1, 1024), "se": squeeze()},
    )
)
