"""Plain layers as blocks: convolution with normalisation and activation, and pooling."""

from nastk.genotype.blocks import MOST_CHANNELS, SAME, Block, Flag, Value, Whole, act, enter, kernel


def _tidy_padding(options: dict[str, Value]) -> None:
    """Says of a padding that it is the usual one, where it is."""
    kernel, dilation, padding = (options.get(name, 1) for name in ("kernel", "dilation", "padding"))
    if isinstance(kernel, int) and isinstance(dilation, int) and isinstance(padding, int):
        reach = dilation * (kernel - 1)
        if 2 * padding == reach:
            options["padding"] = SAME


enter(
    Block(
        "conv",
        "nastk.blocks.plain",
        "convolution, normalisation, activation",
        {
            "kernel": kernel(),
            "act": act(),
            "groups": Whole(1, 1, MOST_CHANNELS),
            "dilation": Whole(1, 1, 64),
            "padding": Whole(SAME, SAME, 64),
            "norm": Flag(True),
            "bias": Flag(False),
        },
        idle={"kernel": (1, ("dilation",))},
        tidy=_tidy_padding,
    )
)
enter(
    Block(
        "max_pool",
        "nastk.blocks.plain",
        "max pooling; keeps the channels",
        {"kernel": kernel(), "padding": Whole(SAME, SAME, 64), "ceil": Flag(False)},
        keeps=True,
        own_width=True,
        strided=("ceil",),
        tidy=_tidy_padding,
    )
)
enter(
    Block(
        "skip",
        "nastk.blocks.skip",
        "nothing; a 1x1 convolution with normalisation where channels or pixels change (NAS-Bench-Macro's identity)",
        passes=True,
    )
)
enter(
    Block(
        "norm",
        "nastk.blocks.plain",
        "normalisation and activation; what a body of pre-activated blocks ends with",
        {"act": act()},
        own_width=True,
        strides=False,
    )
)
