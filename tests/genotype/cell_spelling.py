"""Random cells and random respellings of a cell: other genotypes for the same function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from nastk.genotype import MAX_NODES, Cell, Edge, Node


def random_cell(rng: Random, inputs: int, nodes: int, ops: Sequence[str], most_edges: int = 3) -> Cell:
    """Returns a cell of `nodes` nodes with 1 to `most_edges` edges each, whose output is what no node reads."""
    built = []
    for index in range(nodes):
        edges = [Edge(rng.randrange(inputs + index), rng.choice(ops)) for _ in range(rng.randint(1, most_edges))]
        built.append(Node(tuple(edges), rng.choice(["add", "concat"])))
    read = {edge.state for node in built for edge in node.edges}
    unread = [state for state in range(inputs + nodes) if state not in read]
    return Cell(inputs, tuple(built), tuple(unread))


def respelled(cell: Cell, reduction: bool, rng: Random, steps: int = 6) -> Cell:
    """Returns the cell after random steps that leave its function as it is."""
    for _ in range(steps):
        step = rng.choice(STEPS)
        cell = step(cell, reduction, rng)
    return cell


def width(cell: Cell, state: int) -> int:
    """Returns how many pieces of F channels a state has."""
    if state < cell.inputs:
        return 1
    node = cell.nodes[state - cell.inputs]
    return len(node.edges) if node.combine == "concat" else 1


def _shuffled_edges(cell: Cell, reduction: bool, rng: Random) -> Cell:
    nodes = [Node(tuple(rng.sample(node.edges, len(node.edges))), node.combine) for node in cell.nodes]
    return Cell(cell.inputs, tuple(nodes), tuple(rng.sample(cell.output, len(cell.output))))


def _shuffled_nodes(cell: Cell, reduction: bool, rng: Random) -> Cell:
    place = {state: state for state in range(cell.inputs)}
    nodes: list[Node] = []
    waiting = list(range(len(cell.nodes)))
    while waiting:
        ready = [index for index in waiting if all(edge.state in place for edge in cell.nodes[index].edges)]
        index = rng.choice(ready)
        waiting.remove(index)
        node = cell.nodes[index]
        place[cell.inputs + index] = cell.inputs + len(nodes)
        nodes.append(Node(tuple(Edge(place[edge.state], edge.op) for edge in node.edges), node.combine))
    return Cell(cell.inputs, tuple(nodes), tuple(place[state] for state in cell.output))


def _inserted(cell: Cell, at: int, node: Node) -> Cell:
    """Returns the cell with a node that nothing reads as number `at`, the states after it renumbered."""
    new = cell.inputs + at

    def moved(state: int) -> int:
        return state + (state >= new)

    later = [
        Node(tuple(Edge(moved(edge.state), edge.op) for edge in other.edges), other.combine)
        for other in cell.nodes[at:]
    ]
    return Cell(cell.inputs, (*cell.nodes[:at], node, *later), tuple(map(moved, cell.output)))


def _with_edges(cell: Cell, index: int, edges: Sequence[Edge]) -> Cell:
    nodes = list(cell.nodes)
    nodes[index] = Node(tuple(edges), nodes[index].combine)
    return Cell(cell.inputs, tuple(nodes), cell.output)


def _detour(cell: Cell, reduction: bool, rng: Random) -> Cell:
    """Some readers of a state read a copy of it that an identity edge makes."""
    first = cell.inputs if reduction else 0
    states = [state for state in range(first, cell.inputs + len(cell.nodes)) if width(cell, state) == 1]
    if not states or len(cell.nodes) >= MAX_NODES:
        return cell
    state = rng.choice(states)
    at = rng.randint(max(0, state - cell.inputs + 1), len(cell.nodes))
    cell = _inserted(cell, at, Node((Edge(state, "identity"),), rng.choice(["add", "concat"])))
    copy = cell.inputs + at
    for index in range(at + 1, len(cell.nodes)):
        edges = cell.nodes[index].edges
        cell = _with_edges(
            cell, index, [Edge(copy, e.op) if e.state == state and rng.random() < 0.5 else e for e in edges]
        )
    if state in cell.output and rng.random() < 0.5:
        output = tuple(copy if named == state else named for named in cell.output)
        return Cell(cell.inputs, cell.nodes, output)
    return cell


def _split_sum(cell: Cell, reduction: bool, rng: Random) -> Cell:
    """Some edges of a sum, or one edge of a concatenation, become a sum of their own that an identity edge reads."""
    if len(cell.nodes) >= MAX_NODES:
        return cell
    at = rng.randrange(len(cell.nodes))
    node = cell.nodes[at]
    some = rng.sample(range(len(node.edges)), rng.randint(1, len(node.edges)) if node.combine == "add" else 1)
    cell = _inserted(cell, at, Node(tuple(node.edges[index] for index in some), "add"))
    edges = [edge for index, edge in enumerate(node.edges) if index not in some]
    edges.insert(rng.randint(0, len(edges)), Edge(cell.inputs + at, "identity"))
    return _with_edges(cell, at + 1, edges)


def _dead_node(cell: Cell, reduction: bool, rng: Random) -> Cell:
    if len(cell.nodes) >= MAX_NODES:
        return cell
    at = rng.randint(0, len(cell.nodes))
    edges = [Edge(rng.randrange(cell.inputs + at), rng.choice(["conv_1x1", "identity", "zero"])) for _ in range(2)]
    return _inserted(cell, at, Node(tuple(edges), rng.choice(["add", "concat"])))


def _zero_branch(cell: Cell, reduction: bool, rng: Random) -> Cell:
    """A sum gets a zero edge, or an op on a state that is zero."""
    sums = [index for index, node in enumerate(cell.nodes) if node.combine == "add"]
    if not sums or len(cell.nodes) >= MAX_NODES:
        return cell
    at = rng.choice(sums)
    if rng.random() < 0.5:
        return _with_edges(cell, at, [*cell.nodes[at].edges, Edge(rng.randrange(cell.inputs + at), "zero")])
    zeros = [Edge(rng.randrange(cell.inputs + at), "zero") for _ in range(rng.randint(1, 2))]
    cell = _inserted(cell, at, Node(tuple(zeros), rng.choice(["add", "concat"])))
    return _with_edges(cell, at + 1, [*cell.nodes[at + 1].edges, Edge(cell.inputs + at, "conv_3x3")])


def _projection(cell: Cell, reduction: bool, rng: Random) -> Cell:
    """An identity that has to change channels or resolution is written as conv_1x1, or the other way round."""
    for index, node in enumerate(cell.nodes):
        edges = list(node.edges)
        for position, edge in enumerate(edges):
            cannot_pass_on = width(cell, edge.state) > 1 or (reduction and edge.state < cell.inputs)
            if edge.op in ("identity", "conv_1x1") and cannot_pass_on:
                edges[position] = Edge(edge.state, rng.choice(["identity", "conv_1x1"]))
        cell = _with_edges(cell, index, edges)
    return cell


STEPS: tuple[Callable[[Cell, bool, Random], Cell], ...] = (
    _shuffled_edges,
    _shuffled_nodes,
    _detour,
    _split_sum,
    _dead_node,
    _zero_branch,
    _projection,
)
