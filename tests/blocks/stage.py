"""A stage of one family for tests, without a network around it."""

from __future__ import annotations

from typing import Any

from torch import nn

from nastk.blocks.register import Row, build_stage
from nastk.genotype.stages import Stage


def stage(
    block: str, channels: int, width: int, depth: int = 1, stride: int = 1, drop: float = 0.0, **options: Any
) -> nn.Module:
    """Returns the module of a stage that is given `channels`; options that are left out have their defaults."""
    asked = Stage(block, width, depth, stride, tuple(options.items()))
    row = Row(channels, asked.width, depth, stride, [drop] * depth, (16, 16))
    return build_stage(asked.block, row, asked.every_option).module
