"""The table of block families: what options each has. Loads no torch; the modules are in `nastk.blocks`.

A family is entered once, in a file of `nastk.genotype.families`, and built by the file of `nastk.blocks` that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nastk.checks import check_flag, check_name, check_number, check_whole
from nastk.errors import UserError, unknown
from nastk.own_modules import import_allowed

Value = str | int | float | bool | tuple[int, ...]
Same = tuple[str, Mapping[str, Value]]

ACTIVATIONS = ("relu", "relu6", "hardswish", "silu", "gelu", "none")
MOST_CHANNELS = 10**6
SAME = -1  # padding that keeps ceil(size / stride) pixels


@dataclass(frozen=True)
class Names:
    """An option that is one of some names."""

    default: str
    names: tuple[str, ...]

    def checked(self, where: str, value: object) -> Value:
        """Returns the value; raises UserError for another name."""
        return check_name(f"value of {where}", value, self.names)


@dataclass(frozen=True)
class Whole:
    """An option that is a whole number; `channels` says that it is scaled as a network's width is."""

    default: int
    least: int
    most: int
    channels: bool = False

    def checked(self, where: str, value: object) -> Value:
        """Returns the value; raises UserError for what is no whole number of the range."""
        return check_whole(where, value, self.least, self.most)


@dataclass(frozen=True)
class Number:
    """An option that is a number."""

    default: float
    least: float
    most: float

    def checked(self, where: str, value: object) -> Value:
        """Returns the value; raises UserError for what is no number of the range."""
        return float(check_number(where, value, self.least, self.most))


@dataclass(frozen=True)
class Flag:
    """An option that is true or false."""

    default: bool

    def checked(self, where: str, value: object) -> Value:
        """Returns the value; raises UserError for what is neither."""
        check_flag(where, value)
        return bool(value)


@dataclass(frozen=True)
class Wholes:
    """An option that is a list of whole numbers of the range; `count` of them, where that is fixed."""

    default: tuple[int, ...]
    least: int
    most: int
    count: int | None = None
    channels: bool = False

    def checked(self, where: str, value: object) -> Value:
        """Returns the numbers as a tuple; raises UserError for what is no such list."""
        if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
            raise UserError(f"{where}={value!r}, expected a list of whole numbers")
        found = tuple(value)
        if self.count is not None and len(found) != self.count:
            raise UserError(f"{where}: {len(found)} numbers, expected {self.count}")
        return tuple(check_whole(where, item, self.least, self.most) for item in found)


Option = Names | Whole | Number | Flag | Wholes


@dataclass(frozen=True)
class Block:
    """Facts of a block family.

    Attributes:
        name: as genotypes write it.
        module: that builds it; imported when the first such block is built.
        summary: a line for people.
        options: by name; an option that a genotype leaves out has its default.
        repeats: whether a stage of depth n is n equal blocks one after the other, the first with the stride, so that a
            stage may be split in two without another function. Not so for dense stages, where each layer sees all.
        keeps: whether the channels stay as they are, so that a stage's width says nothing.
        passes: whether it hands on what comes in where neither stride nor channels change.
        classifier: whether it maps features to logits and ends a network.
        own_width: whether its channels follow from its options and from what comes in, as in pooling; a stage's width
            then says nothing, and is 0.
        strides: whether a stage of it may have a stride.
        floors: whether a stride leaves floor(size / stride) pixels a side, rather than the ceiling of it.
        strided: options without effect where a stage does not stride.
        tidy: says of complete options in one way what can be said in several; changes them.
        idle: by option, the value of it that makes other options idle, and which: `{"se": (0.0, ("se_act",))}`.
        check: is called with a stage's stride and every option; raises UserError where they cannot go together.
        same: by every option, another family and options of it that are the same function, None where there is none.
    """

    name: str
    module: str
    summary: str
    options: Mapping[str, Option] = field(default_factory=dict)
    repeats: bool = True
    keeps: bool = False
    passes: bool = False
    classifier: bool = False
    own_width: bool = False
    strides: bool = True
    floors: bool = False
    strided: tuple[str, ...] = ()
    tidy: Callable[[dict[str, Value]], None] | None = None
    idle: Mapping[str, tuple[Value, tuple[str, ...]]] = field(default_factory=dict)
    check: Callable[[int, Mapping[str, Value]], None] | None = None
    same: Callable[[Mapping[str, Value]], Same | None] | None = None

    def checked(self, options: Mapping[str, Any], where: str, stride: int = 1) -> tuple[tuple[str, Value], ...]:
        """Returns (name, value) pairs in the order of names, without those at their defaults or without effect.

        Raises:
            UserError: no such option, or a value that cannot be.
        """
        for name in options:
            if name not in self.options:
                raise unknown(f"option of {where} ({self.name})", name, self.options or ["none"])
        every = {name: option.default for name, option in self.options.items()}
        for name, value in options.items():
            every[name] = self.options[name].checked(f"{where}: {name}", value)
        for name, (value, others) in self.idle.items():
            if every[name] == value:
                every.update({other: self.options[other].default for other in others})
        if stride == 1:
            every.update({name: self.options[name].default for name in self.strided})
        if self.tidy is not None:
            self.tidy(every)
        return tuple(sorted((name, value) for name, value in every.items() if value != self.options[name].default))

    def complete(self, options: Mapping[str, Value]) -> dict[str, Value]:
        """Returns every option, those that are left out with their defaults."""
        return {name: options.get(name, option.default) for name, option in self.options.items()}


BLOCKS: dict[str, Block] = {}


def enter(block: Block) -> None:
    """Enters a family into the table.

    Raises:
        ValueError: the name is taken by another family.
    """
    if BLOCKS.get(block.name, block) != block:
        raise ValueError(f"block {block.name!r} is in the table already")
    BLOCKS[block.name] = block


def block_named(name: object, where: str = "block") -> Block:
    """Returns a family of the table, or one that a module which the command line allows enters.

    Raises:
        UserError: there is none of that name.
    """
    if isinstance(name, str) and name not in BLOCKS:
        import_allowed()
    return BLOCKS[check_name(where, name, BLOCKS)]


def act(default: str = "relu") -> Names:
    """Returns the option of an activation."""
    return Names(default, ACTIVATIONS)


def kernel(default: int = 3) -> Whole:
    """Returns the option of a square kernel's side."""
    return Whole(default, 1, 31)


def squeeze(default: float = 0.0) -> Number:
    """Returns the option of squeeze-and-excitation: hidden channels to channels, 0 for none."""
    return Number(default, 0.0, 1.0)
