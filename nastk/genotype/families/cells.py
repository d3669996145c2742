"""Published cells as blocks."""

from nastk.genotype.blocks import MOST_CHANNELS, Block, Names, Whole, enter
from nastk.genotype.published import PUBLISHED

enter(
    Block(
        "nasnet_cell",
        "nastk.blocks.cell_stage",
        "cells of NASNet-A or DARTS that each read the two before, the first a reduction cell where it strides",
        {
            "cell": Names("nasnet_a", tuple(PUBLISHED)),
            "filters": Whole(32, 2, MOST_CHANNELS, channels=True),  # of each node; a cell concatenates several
        },
        repeats=False,
        own_width=True,
    )
)
