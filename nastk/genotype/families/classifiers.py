"""How a network of stages ends: from feature maps to logits."""

from nastk.genotype.blocks import MOST_CHANNELS, Block, Flag, Number, Whole, Wholes, act, enter

enter(
    Block(
        "pooled_classifier",
        "nastk.blocks.classifiers",
        "average pooling to pool x pool, hidden layers, dropout, a linear layer",
        {
            "pool": Whole(1, 1, 16),
            "hidden": Wholes((), 1, MOST_CHANNELS, channels=True),
            "act": act(),
            "dropout": Number(0.0, 0.0, 0.99),
            "dropout_first": Flag(False),  # before every hidden layer, rather than after it
        },
        classifier=True,
        idle={"hidden": ((), ("act", "dropout_first")), "dropout": (0.0, ("dropout_first",))},
    )
)
enter(
    Block(
        "conv_classifier",
        "nastk.blocks.classifiers",
        "dropout, a 1x1 convolution to the classes, an activation, average pooling",
        {"act": act(), "dropout": Number(0.0, 0.0, 0.99)},
        classifier=True,
    )
)
enter(
    Block(
        "depthwise_classifier",
        "nastk.blocks.classifiers",
        "a depthwise convolution over the whole map, so that places count as is learned, dropout, a linear layer",
        {"dropout": Number(0.0, 0.0, 0.99)},
        classifier=True,
    )
)
