"""The NASNet search space: two cells of B blocks, each block two states, an op for each and a way to combine them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from nastk.checks import check_names, check_whole
from nastk.genotype import COMBINES, MAX_NODES, Cell, CellGenotype, Combine, Edge, Node
from nastk.genotype.ops import check_ops
from nastk.genotype.skeleton import NASNET
from nastk.genotype.stems import AS_OTHERS, first_cells_choices, stem_choices
from nastk.spaces.space import Choose, ask_name, ask_state

INPUTS = 2

NASNET_OPS: tuple[str, ...] = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)


@dataclass(frozen=True)
class NasnetSpace:
    """Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018.

    A cell's output concatenates the states that no block reads. The paper's text says so of the states "generated in
    the cell"; here a cell input that no block reads counts as well, as in its reference implementation, whose list of
    states to concatenate covers the inputs, so that no layer of a network is without effect. The paper's NASNet-A
    goes further still: its normal cell concatenates h_{i-1} although blocks read it, so it is a genotype of the same
    form that this space does not propose.

    Choices, in order, for each cell and block b: "normal/b/left_state", "left_op", "right_state", "right_op",
    "combine"; 5 blocks make 2 x 5 x 5 = 50. Before them "stem" and "first_cells", where those are choices.

    Attributes:
        blocks: B, blocks a cell; the paper's 5 by default.
        ops: names of operations; the paper's 13 by default.
        combine: ways to combine the two results of a block, of "add" and "concat".
        stem: names of stems to choose from, a stride of 1 to 8 before the cells; None for the search's own.
        first_cells: numbers of normal cells before the first reduction to choose from, 0 for a reduction at once, "N"
            for as many as in the other stacks; None for N.

    Raises:
        UserError: a field that cannot be.
    """

    blocks: int = 5
    ops: tuple[str, ...] = NASNET_OPS
    combine: tuple[str, ...] = COMBINES
    stem: str | Sequence[str] | None = None
    first_cells: int | str | Sequence[int | str] | None = None

    def __post_init__(self) -> None:
        check_whole("space: blocks", self.blocks, 1, MAX_NODES)
        object.__setattr__(self, "ops", check_ops("space: ops", self.ops))
        combine = check_names("space: combine", self.combine, "way to combine", COMBINES)
        object.__setattr__(self, "combine", combine)
        _ = self.stems, self.first

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The stems to choose from, empty for no choice."""
        return stem_choices(self.stem)

    @cached_property
    def first(self) -> tuple[str, ...]:
        """The numbers of cells before the first reduction to choose from, as words; empty for no choice."""
        return first_cells_choices(self.first_cells)

    def genotype(self, choose: Choose) -> CellGenotype:
        """Returns the genotype that the answers of `choose` make."""
        stem = ask_name(choose, "stem", self.stems) if self.stems else ""
        first = ask_name(choose, "first_cells", self.first) if self.first else AS_OTHERS
        cells = tuple((place.name, self._cell(choose, place.name)) for place in NASNET.cells)
        return CellGenotype(NASNET.name, cells, stem, None if first == AS_OTHERS else int(first))

    def _cell(self, choose: Choose, cell: str) -> Cell:
        nodes = tuple(self._block(choose, f"{cell}/{block}", INPUTS + block) for block in range(self.blocks))
        read = {edge.state for node in nodes for edge in node.edges}
        return Cell(INPUTS, nodes, tuple(state for state in range(INPUTS + self.blocks) if state not in read))

    def _block(self, choose: Choose, at: str, states: int) -> Node:
        edges = tuple(
            Edge(ask_state(choose, f"{at}/{side}_state", states), ask_name(choose, f"{at}/{side}_op", self.ops))
            for side in ("left", "right")
        )
        return Node(edges, cast(Combine, ask_name(choose, f"{at}/combine", self.combine)))
