"""What is known of each operation that an edge of a cell can be, without building it: one table, and no torch.

The modules are in `nastk.ops`, one file a family; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nastk.checks import check_names
from nastk.own_modules import import_allowed


class OpFacts(NamedTuple):
    """Facts of an operation.

    Attributes:
        name: as genotypes write it.
        family: the kind of work that it is, as drawings show it.
        passes: whether it hands a value of F channels on as it is, at stride 1.
        projects: whether it is a conv_1x1 where it cannot pass its input on, at stride 2 too.
        weightless: whether it has no weights where it reads F channels.
        zero: whether its result is zero.
    """

    name: str
    family: str
    passes: bool = False
    projects: bool = False
    weightless: bool = False
    zero: bool = False


OP_FACTS: dict[str, OpFacts] = {
    facts.name: facts
    for facts in (
        OpFacts("identity", "identity", passes=True, projects=True),
        OpFacts("zero", "zero", weightless=True, zero=True),
        OpFacts("conv_1x1", "convolution"),
        OpFacts("conv_3x3", "convolution"),
        OpFacts("conv_1x3_3x1", "convolution"),
        OpFacts("conv_1x7_7x1", "convolution"),
        OpFacts("dil_conv_3x3", "dilated"),
        OpFacts("sep_conv_3x3", "separable"),
        OpFacts("sep_conv_5x5", "separable"),
        OpFacts("sep_conv_7x7", "separable"),
        OpFacts("avg_pool_3x3", "pooling", weightless=True),
        OpFacts("max_pool_3x3", "pooling", weightless=True),
        OpFacts("max_pool_5x5", "pooling", weightless=True),
        OpFacts("max_pool_7x7", "pooling", weightless=True),
        OpFacts("dw_conv_3x3", "separable"),
        OpFacts("dw_conv_5x5", "separable"),
        OpFacts("squeeze_excitation", "attention"),
        # DARTS' name, with a factorized reduction at stride 2.
        OpFacts("skip_connect", "identity", passes=True),
        OpFacts("dil_sep_conv_3x3", "dilated"),
        OpFacts("dil_sep_conv_5x5", "dilated"),
    )
}

KNOWN_OPS: tuple[str, ...] = tuple(OP_FACTS)
ZERO_OPS = {name for name, facts in OP_FACTS.items() if facts.zero}
IDENTITY_OPS = {name for name, facts in OP_FACTS.items() if facts.passes}
PROJECTED_OPS = {name for name, facts in OP_FACTS.items() if facts.projects}
PARAMETERLESS_OPS = {name for name, facts in OP_FACTS.items() if facts.weightless}


def enter_op(facts: OpFacts) -> None:
    """Enters an operation of one's own; what builds it is entered by `nastk.ops.op`.

    Raises:
        ValueError: the name is taken by another operation.
    """
    if OP_FACTS.setdefault(facts.name, facts) != facts:
        raise ValueError(f"operation {facts.name!r} is in the table already")
    for names, holds in (
        (ZERO_OPS, facts.zero),
        (IDENTITY_OPS, facts.passes),
        (PROJECTED_OPS, facts.projects),
        (PARAMETERLESS_OPS, facts.weightless),
    ):
        if holds:
            names.add(facts.name)


def check_ops(where: str, names: object) -> tuple[str, ...]:
    """Returns the names of a list of operations; modules that the command line allows may enter some.

    Raises:
        UserError: it is no list, it is empty, has one twice, or one that there is not.
    """
    if isinstance(names, Sequence) and any(isinstance(name, str) and name not in OP_FACTS for name in names):
        import_allowed()
    return check_names(where, names, "op", OP_FACTS)
