"""A cell: a small graph of operations, as a frozen value that travels as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from nastk.checks import is_whole
from nastk.errors import UserError, unknown
from nastk.outside import shortened

MAX_NODES = 32
MAX_EDGES = 1024  # of a node: every operation of a large space on every state of a usual cell

Combine = Literal["add", "concat"]
COMBINES: tuple[Combine, ...] = ("add", "concat")


class Edge(NamedTuple):
    """An operation applied to a hidden state.

    Attributes:
        state: which hidden state it reads. The cell's inputs come first: with two inputs, 0 is the output of the
            cell before the previous one (h_{i-1}), 1 of the previous one (h_i). Node k of the cell is state inputs + k.
        op: name in the table of operations, `nastk.ops`.
    """

    state: int
    op: str


@dataclass(frozen=True)
class Node:
    """A hidden state: its edges' results, added or concatenated along channels (NASNet's block)."""

    edges: tuple[Edge, ...]
    combine: Combine = "add"


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph of nodes; its output concatenates the states that `output` names.

    Raises:
        UserError: a state that does not exist yet where it is read, no node or too many, a node without edges or with
            too many, no output, or an unknown way to combine.
    """

    inputs: int
    nodes: tuple[Node, ...]
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise UserError(f"cell: inputs={self.inputs}, expected at least 1")
        if not 1 <= len(self.nodes) <= MAX_NODES:
            raise UserError(f"cell: {len(self.nodes)} nodes, expected 1 to {MAX_NODES}")
        for index, node in enumerate(self.nodes):
            if not node.edges:
                raise UserError(f"cell: node {index} has no edges, expected at least one")
            if len(node.edges) > MAX_EDGES:
                raise UserError(f"cell: node {index} has {len(node.edges)} edges, expected at most {MAX_EDGES}")
            if node.combine not in COMBINES:
                raise unknown(f"way to combine in node {index}", node.combine, COMBINES)
            for edge in node.edges:
                if not 0 <= edge.state < self.inputs + index:
                    raise UserError(
                        f"cell: node {index} reads state {edge.state}, expected 0 to {self.inputs + index - 1}"
                    )
        states = self.inputs + len(self.nodes)
        if not self.output or len(set(self.output)) != len(self.output):
            raise UserError(f"cell: output {list(self.output)}, expected distinct states, at least one")
        for state in self.output:
            if not 0 <= state < states:
                raise UserError(f"cell: output names state {state}, expected 0 to {states - 1}")

    @property
    def unused(self) -> tuple[int, ...]:
        """States that no node reads, cell inputs included."""
        read = {edge.state for node in self.nodes for edge in node.edges}
        return tuple(state for state in range(self.inputs + len(self.nodes)) if state not in read)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, dicts and numbers, the JSON form."""
        return {
            "inputs": self.inputs,
            "nodes": [
                {"combine": node.combine, "edges": [[edge.state, edge.op] for edge in node.edges]}
                for node in self.nodes
            ],
            "output": list(self.output),
        }


def read_cell(data: object, name: str) -> Cell:
    """Reads what `Cell.to_dict` gave; raises UserError, with the place, where the data are not of that form."""
    where = f"genotype: cell {name!r}"
    fields = mapping_in(data, where, ("inputs", "nodes", "output"))
    nodes = []
    for index, node in enumerate(_list(fields["nodes"], f"{where}: nodes")):
        at = f"{where}: node {index}"
        parts = mapping_in(node, at, ("combine", "edges"))
        edges = []
        for edge in _list(parts["edges"], f"{at}: edges"):
            if not isinstance(edge, list) or len(edge) != 2 or not isinstance(edge[1], str):
                raise UserError(f"{at}: edge {shortened(edge)}, expected [state, op]")
            edges.append(Edge(_integer(edge[0], f"{at}: state"), edge[1]))
        nodes.append(Node(tuple(edges), cast(Combine, parts["combine"])))
    output = tuple(_integer(state, f"{where}: output") for state in _list(fields["output"], f"{where}: output"))
    return Cell(_integer(fields["inputs"], f"{where}: inputs"), tuple(nodes), output)


def mapping_in(data: object, where: str, keys: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Returns an object of JSON that has these fields and no other; raises UserError where it is not that."""
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise UserError(f"{where}: {shortened(data)}, expected an object")
    for key in keys:
        if key not in data:
            raise UserError(f"{where}: no {key!r}, expected the fields {', '.join(keys)}")
    if keys:
        for key in data:
            if key not in keys:
                raise unknown(f"field in {where}", key, keys)
    return data


def _integer(data: object, where: str) -> int:
    if not is_whole(data):
        raise UserError(f"{where}: {shortened(data)}, expected a whole number")
    return data


def _list(data: object, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise UserError(f"{where}: {shortened(data)}, expected a list")
    return data
