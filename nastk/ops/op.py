"""The table of operations: what an operation is, the decorator that enters one, and the way to build one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from torch import nn

from nastk.errors import unknown
from nastk.own_modules import import_allowed

Build = TypeVar("Build", bound=Callable[..., nn.Module])
Builder = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True)
class Op:
    """An operation that an edge of a cell can be.

    Attributes:
        name: as genotypes write it.
        build: from channels in, channels out and stride (1 or 2) to a module, which maps (N, channels in, H, W) to
            (N, channels out, ceil(H / stride), ceil(W / stride)) in any floating type and memory format.
        summary: one line for people.
    """

    name: str
    build: Builder
    summary: str


OPS: dict[str, Op] = {}


def op(name: str, **fixed: int) -> Callable[[Build], Build]:
    """Enters the decorated builder into the table under a name.

    Args:
        name: as genotypes will write it.
        fixed: keyword arguments that tell this operation from others of its family, such as `kernel=5`.

    Raises:
        ValueError: the name is taken.
    """

    def enter(build: Build) -> Build:
        if name in OPS:
            raise ValueError(f"operation {name!r} is in the table already")
        OPS[name] = Op(name, partial(build, **fixed), (build.__doc__ or "").partition("\n")[0])
        return build

    return enter


def build_op(name: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Builds an operation of the table, or of a module that the command line allows; see `Op.build` for shapes.

    Raises:
        UserError: there is no operation of that name.
    """
    if name not in OPS:
        import_allowed()
    entry = OPS.get(name)
    if entry is None:
        raise unknown("op", name, OPS)
    return entry.build(channels_in, channels_out, stride)
