"""How many pixels a side the maps of a network of stages have."""

from __future__ import annotations

from nastk.genotype.blocks import SAME, block_named
from nastk.genotype.stages import Stage, StageGenotype


def last_side(genotype: StageGenotype, side: int) -> int:
    """Returns the pixels a side of the last map for an image of `side`, less than 1 where nothing is left."""
    for stage in genotype.body:
        side = side_after(stage, stage.depth, side)
        if side < 1:
            break
    return side


def side_after(stage: Stage, depth: int, side: int) -> int:
    """Returns the pixels of a side after a stage, each of whose blocks has one strided or unpadded window."""
    if block_named(stage.block).floors:
        return side // stage.stride
    options = stage.every_option
    kernel, dilation, padding = (options.get(name) for name in ("kernel", "dilation", "padding"))
    reach = (dilation if isinstance(dilation, int) else 1) * (kernel - 1 if isinstance(kernel, int) else 0)
    padding = reach // 2 if not isinstance(padding, int) or padding == SAME else padding
    for stride in (stage.stride, *[1] * (depth - 1)):
        room = side + 2 * padding - reach - 1
        windows = room // stride + 1
        if options.get("ceil") and room % stride and windows * stride < side + padding:
            windows += 1  # torch's rule: the last window begins within the image or its left padding
        side = windows
    return side
