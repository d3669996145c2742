"""The NAS-Bench-201 search space, a densely connected cell of four nodes, and that benchmark's architecture strings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nastk.checks import check_whole
from nastk.errors import UserError, unknown
from nastk.genotype import MAX_NODES, Cell, CellGenotype, Edge, Genotype, Node
from nastk.genotype.ops import check_ops
from nastk.spaces.space import Choose, ask_name

NASBENCH201_OPS: tuple[str, ...] = ("zero", "identity", "conv_1x1", "conv_3x3", "avg_pool_3x3")

PUBLISHED_NAMES: dict[str, str] = {
    "zero": "none",
    "identity": "skip_connect",
    "conv_1x1": "nor_conv_1x1",
    "conv_3x3": "nor_conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}


@dataclass(frozen=True)
class NasBench201Space:
    """Dong, Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020.

    Every node sums an operation on each earlier node; the last node is the output. With the defaults there are
    5^6 = 15,625 cells.

    Choices, in order: "normal/n/op_s" for node n of the cell and every earlier state s, e.g. "normal/0/op_0" for the
    edge from the cell's input to the first node after it.

    Attributes:
        nodes: the cell's input and the nodes after it; the paper's 4 by default.
        ops: names of operations; the paper's 5 by default.

    Raises:
        UserError: a field that cannot be.
    """

    nodes: int = 4
    ops: tuple[str, ...] = NASBENCH201_OPS

    def __post_init__(self) -> None:
        check_whole("space: nodes", self.nodes, 2, MAX_NODES + 1)
        object.__setattr__(self, "ops", check_ops("space: ops", self.ops))

    def genotype(self, choose: Choose) -> CellGenotype:
        """Returns the genotype that the answers of `choose` make."""
        return _dense(
            [
                [ask_name(choose, f"normal/{node}/op_{state}", self.ops) for state in range(node + 1)]
                for node in range(self.nodes - 1)
            ]
        )


def from_arch_string(text: str) -> CellGenotype:
    """Reads a string of the benchmark, `|a~0|+|b~0|c~1|+|d~0|e~1|f~2|`.

    Raises:
        UserError: it is not of that form, or names an unknown operation.
    """
    names = {published: op for op, published in PUBLISHED_NAMES.items()}
    ops = []
    for index, node in enumerate(text.split("+")):
        edges = re.fullmatch(r"\|(?:[^|~]+~\d+\|)+", node) and node.strip("|").split("|")
        if not edges or [int(edge.split("~")[1]) for edge in edges] != list(range(index + 1)):
            raise UserError(f"architecture string {text!r}: node {node!r}, expected |op~0| to |op~{index}|")
        found = [edge.split("~")[0] for edge in edges]
        for name in found:
            if name not in names:
                raise unknown("op in architecture string", name, names)
        ops.append([names[name] for name in found])
    return _dense(ops)


def to_arch_string(genotype: Genotype) -> str:
    """Returns the benchmark's string of a genotype whose every node reads each earlier state once, in order.

    Raises:
        UserError: the genotype is not of that form, or has an operation that the benchmark does not know.
    """
    if not isinstance(genotype, CellGenotype) or genotype.skeleton != "nasbench201":
        raise UserError(f"architecture string: skeleton {genotype.skeleton!r}, expected 'nasbench201'")
    cell = genotype["normal"]
    parts = []
    for index, node in enumerate(cell.nodes):
        if [edge.state for edge in node.edges] != list(range(index + 1)) or node.combine != "add":
            raise UserError(
                f"architecture string: node {index} is not the sum of one edge from each of states 0 to {index}"
            )
        for edge in node.edges:
            if edge.op not in PUBLISHED_NAMES:
                raise unknown("op in NAS-Bench-201", edge.op, PUBLISHED_NAMES)
        parts.append("|" + "".join(f"{PUBLISHED_NAMES[edge.op]}~{edge.state}|" for edge in node.edges))
    if cell.output != (len(cell.nodes),):
        raise UserError(f"architecture string: output {list(cell.output)}, expected the last state {len(cell.nodes)}")
    return "+".join(parts)


def _dense(ops: list[list[str]]) -> CellGenotype:
    nodes = tuple(Node(tuple(Edge(state, op) for state, op in enumerate(names))) for names in ops)
    return CellGenotype("nasbench201", (("normal", Cell(1, nodes, (len(nodes),))),))
