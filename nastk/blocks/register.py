"""How a stage is built: the builders of the families, entered by decorators, and the row of blocks they make."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import nn

from nastk.errors import UserError
from nastk.genotype.blocks import Value, block_named


@dataclass(frozen=True)
class Row:
    """Where a stage stands in its network.

    Attributes:
        channels_in: of what comes in.
        width: channels asked for; classes, for a classifier.
        depth: blocks.
        stride: of the first.
        drops: probability of dropping each block's residual branch at the end of training, `depth` of them.
        size: height and width of the map that comes in.
    """

    channels_in: int
    width: int
    depth: int
    stride: int
    drops: Sequence[float]
    size: tuple[int, int]


@dataclass(frozen=True)
class Built:
    """A stage's module, and the channels that come out of it."""

    module: nn.Module
    channels: int


class BlockBuilder(Protocol):
    """Builds one block: (N, channels_in, H, W) to (N, channels_out, ceil(H / stride), ceil(W / stride))."""

    def __call__(
        self, channels_in: int, channels_out: int, stride: int, drop: float, /, **options: Any
    ) -> nn.Module: ...


RowBuilder = Callable[..., Built]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_BUILDERS: dict[str, RowBuilder] = {}


def block(name: str) -> Callable[[Decorated], Decorated]:
    """Enters the builder of one block; a stage is as many of them as it is deep.

    The builder is called with channels in, channels out, stride, drop probability, and every option by name.

    Raises:
        ValueError: the name is taken.
    """

    def enter_builder(build: Decorated) -> Decorated:
        def build_row(row: Row, **options: Any) -> Built:
            blocks: list[nn.Module] = []
            for index, drop in enumerate(row.drops):
                channels = row.width if index else row.channels_in
                blocks.append(build(channels, row.width, 1 if index else row.stride, drop, **options))
            return Built(blocks[0] if len(blocks) == 1 else nn.Sequential(*blocks), row.width)

        _enter(name, build_row)
        return build

    return enter_builder


def whole_stage(name: str) -> Callable[[Decorated], Decorated]:
    """Enters the builder of a whole stage, from a `Row` and every option by name to a `Built`.

    Raises:
        ValueError: the name is taken.
    """

    def enter_builder(build: Decorated) -> Decorated:
        _enter(name, build)
        return build

    return enter_builder


def _enter(name: str, build: RowBuilder) -> None:
    if name in _BUILDERS:
        raise ValueError(f"block {name!r} has a builder already")
    _BUILDERS[name] = build


def build_stage(name: str, row: Row, options: Mapping[str, Value]) -> Built:
    """Builds a stage of a family with its options, all of them given.

    Raises:
        UserError: no such family, or sizes that it cannot work with.
    """
    facts = block_named(name)
    if name not in _BUILDERS:
        importlib.import_module(facts.module)
    try:
        return _BUILDERS[name](row, **options)
    except ValueError as error:  # torch's own words on groups and the like
        raise UserError(f"stage {name!r}: {error}") from None
