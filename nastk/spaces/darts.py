"""The DARTS search space: two cells of four nodes, each the sum of two operations on two different earlier states."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from nastk.checks import check_whole
from nastk.genotype import MAX_NODES, Cell, CellGenotype, Edge, Node
from nastk.genotype.ops import check_ops
from nastk.genotype.skeleton import DARTS
from nastk.spaces.space import Choose, ask_name

INPUTS = 2

DARTS_OPS: tuple[str, ...] = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_sep_conv_3x3",
    "dil_sep_conv_5x5",
)


@dataclass(frozen=True)
class DartsSpace:
    """Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019; the discrete cells it ends with.

    The output concatenates all nodes. DARTS' zero is left out, as it is when its cells are made discrete.

    Choices, in order, for each cell and node n: "normal/n/states", the two states it reads as in "0,2" (not for node
    0, which reads both inputs), "normal/n/first_op" and "second_op".

    Attributes:
        nodes: nodes a cell; the paper's 4 by default.
        ops: names of operations; the paper's 7 by default.

    Raises:
        UserError: a field that cannot be.
    """

    nodes: int = 4
    ops: tuple[str, ...] = DARTS_OPS

    def __post_init__(self) -> None:
        check_whole("space: nodes", self.nodes, 1, MAX_NODES)
        object.__setattr__(self, "ops", check_ops("space: ops", self.ops))

    def genotype(self, choose: Choose) -> CellGenotype:
        """Returns the genotype that the answers of `choose` make."""
        cells = tuple((place.name, self._cell(choose, place.name)) for place in DARTS.cells)
        return CellGenotype(DARTS.name, cells)

    def _cell(self, choose: Choose, cell: str) -> Cell:
        nodes = tuple(self._node(choose, f"{cell}/{node}", INPUTS + node) for node in range(self.nodes))
        return Cell(INPUTS, nodes, tuple(range(INPUTS, INPUTS + self.nodes)))

    def _node(self, choose: Choose, at: str, states: int) -> Node:
        # Two independent choices could name one state twice, and a second one without the first has options that vary.
        pairs = tuple(f"{first},{second}" for first, second in combinations(range(states), 2))
        read = [int(state) for state in ask_name(choose, f"{at}/states", pairs).split(",")]
        ops = [ask_name(choose, f"{at}/{position}_op", self.ops) for position in ("first", "second")]
        return Node(tuple(Edge(state, op) for state, op in zip(read, ops, strict=True)))
