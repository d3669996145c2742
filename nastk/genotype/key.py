"""The canonical key of a genotype: equal for genotypes that compute the same function up to a renaming of weights.

The key does not look at nodes but at instances: every edge that computes something is one instance, with weights of its
own, of an op on a value. A value is what a hidden state holds: one or more pieces of F channels, each piece a sum of
instances and cell inputs, every one of them a whole number of times.

Taken as the same:
  * the order of edges in a node, of nodes in a cell, of pieces in a concatenation and in the cell's output: what reads
    them has weights for every channel, so another order is another numbering of weights;
  * identity edges: they pass the very same instances on, so a state read twice is not two equal states;
  * sums of sums, and the sum of their terms;
  * a node with a single edge, whether it adds or concatenates;
  * dead edges, which do not reach the output, and zero edges in a sum;
  * an op on a value that is all zero, and zero: networks leave such branches out, as they do zero edges;
  * an identity that cannot pass its input on, because it reads a concatenation or because it halves the resolution in
    a reduction cell, and conv_1x1: both are ReLU, 1x1 convolution, normalisation. (DARTS' skip_connect is that only on
    a concatenation; where it halves the resolution it is an op of its own.)

Not taken as the same, though algebra or training could make them so: twice the same op without weights on one value
(`merge_parameterless` asks for that); max_pool_3x3 twice and max_pool_5x5; an average of a sum and the sum of averages;
a state added to itself and the state; a zero piece of a concatenation or of the output and no piece, as what reads it
has weights for its channels. Cells are compared one by one, and the skeleton's name with them, so an input or a whole
cell that a network leaves without effect still counts. The key is about trained networks: drop path, in training, may
drop other edges in one spelling than in another.

Edges of a reduction cell that read a cell input have stride 2, and a cell input that its output names enters through a
factorized reduction.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nastk.genotype.cell import Cell
from nastk.genotype.cell_genotype import CellGenotype
from nastk.genotype.genotype import KEY_DIGITS
from nastk.genotype.graph_order import canonical_order
from nastk.genotype.ops import IDENTITY_OPS, PARAMETERLESS_OPS, PROJECTED_OPS, ZERO_OPS
from nastk.genotype.skeleton import skeleton_named

PROJECTION = "conv_1x1"
REDUCTION = "factorized_reduction"


# A sum of atoms, (atom, times) in ascending order, () for zero. Atoms are the cell's inputs, then the instances.
Piece = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Instance:
    """An op with weights of its own, at its canonical place among the live instances of a cell.

    Attributes:
        op: name; "conv_1x1" for an identity that cannot pass its input on, "factorized_reduction" for an input of a
            reduction cell on its way to the output.
        node: index of the node that its edge belongs to; -1 for a factorized reduction.
        edge: index of the edge in that node; for a factorized reduction, the input's state.
        source: what it reads: pieces of F channels in the order of this genotype's channels; in the pieces, atom a is
            the cell's input a, or instance a - inputs of `CanonicalCell.instances`.
    """

    op: str
    node: int
    edge: int
    source: tuple[Piece, ...]


@dataclass(frozen=True)
class CanonicalCell:
    """A cell with its instances numbered canonically.

    Two cells with the same text compute the same function when instance i of one has the weights of instance i of the
    other, input channels permuted as the pieces of their sources are.

    Attributes:
        text: equal for cells that compute the same function, different elsewhere.
        instances: the live ones, in canonical order (which is not an order of computation).
        output: pieces of the cell's output in the order of this genotype's channels, as in `Instance.source`.
    """

    text: str
    instances: tuple[Instance, ...]
    output: tuple[Piece, ...]


def genotype_key(genotype: CellGenotype) -> str:
    """Returns the key, 32 hexadecimal digits: the first half of the SHA-256 of skeleton and canonical cells.

    Where stem or cells before the first reduction are the genotype's own choice, they are in it too.
    """
    skeleton = skeleton_named(genotype.skeleton)
    cells = [[name, canonical_cell(cell, skeleton.stride(name)).text] for name, cell in genotype.cells]
    own = [genotype.own_network] if genotype.own_network else []
    return hashlib.sha256(json.dumps([genotype.skeleton, cells, *own]).encode()).hexdigest()[:KEY_DIGITS]


def canonical_cell(cell: Cell, stride: int = 1, merge_parameterless: bool = False) -> CanonicalCell:
    """Returns the canonical form of a cell.

    Args:
        cell: the cell.
        stride: of the edges that read the cell's inputs: 2 in a reduction cell.
        merge_parameterless: takes equal ops without weights on one value as one instance.
    """
    values = _Values(cell, stride > 1, merge_parameterless)
    graph = _Graph(values)
    order = canonical_order(graph.labels, graph.arcs)
    place = {vertex: index for index, vertex in enumerate(order)}
    rows = [[graph.labels[v], sorted([place[head], times] for head, times in graph.arcs[v].items())] for v in order]
    live = sorted((atom for atom in graph.atoms if atom >= cell.inputs), key=lambda atom: place[graph.atoms[atom]])
    number = {state: state for state in range(cell.inputs)}
    number.update((atom, cell.inputs + index) for index, atom in enumerate(live))
    renumbered: dict[int, tuple[Piece, ...]] = {}

    def renumber(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        if id(pieces) not in renumbered:
            renumbered[id(pieces)] = tuple(
                tuple(sorted((number[atom], times) for atom, times in piece)) for piece in pieces
            )
        return renumbered[id(pieces)]

    found = [values.instances[atom - cell.inputs] for atom in live]
    return CanonicalCell(
        text=json.dumps(rows, separators=(",", ":")),
        instances=tuple(Instance(one.op, one.node, one.edge, renumber(one.source)) for one in found),
        output=renumber(values.output),
    )


@dataclass
class _Values:
    """What every state of a cell holds, and the instances (dead ones too) in the order of the cell's edges."""

    cell: Cell
    reduction: bool
    merge_parameterless: bool
    instances: list[Instance] = field(default_factory=list)
    output: tuple[Piece, ...] = ()
    merged: dict[tuple[str, tuple[Piece, ...]], Piece] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inputs = self.cell.inputs
        values: list[tuple[Piece, ...]] = [(((state, 1),),) for state in range(inputs)]
        for index, node in enumerate(self.cell.nodes):
            pieces = [
                self._apply(edge.op, values[edge.state], self.reduction and edge.state < inputs, index, position)
                for position, edge in enumerate(node.edges)
            ]
            values.append((_add(pieces),) if node.combine == "add" else tuple(pieces))
        for state in self.cell.output:
            if self.reduction and state < inputs:
                self.output += (self._instance(REDUCTION, values[state], -1, state),)
            else:
                self.output += values[state]

    def _apply(self, op: str, source: tuple[Piece, ...], strided: bool, node: int, edge: int) -> Piece:
        if op in ZERO_OPS or not any(source):
            return ()
        single = len(source) == 1
        if op in IDENTITY_OPS and single and not strided:
            return source[0]
        if op in PROJECTED_OPS or (op in IDENTITY_OPS and not strided):
            op = PROJECTION
        if self.merge_parameterless and op in PARAMETERLESS_OPS and single:
            if (op, source) not in self.merged:
                self.merged[op, source] = self._instance(op, source, node, edge)
            return self.merged[op, source]
        return self._instance(op, source, node, edge)

    def _instance(self, op: str, source: tuple[Piece, ...], node: int, edge: int) -> Piece:
        self.instances.append(Instance(op, node, edge, source))
        return ((self.cell.inputs + len(self.instances) - 1, 1),)


def _add(pieces: Iterable[Piece]) -> Piece:
    total: Counter[int] = Counter()
    for piece in pieces:
        for atom, times in piece:
            total[atom] += times
    return tuple(sorted(total.items()))


class _Graph:
    """The live part of a cell as a labelled directed graph whose isomorphisms are the renamings of its instances.

    An instance's arc goes to its source: a concatenation, or the piece itself if it is the only one, or the atom itself
    if that is the piece's only term. So equal sums and equal concatenations are one vertex.
    """

    def __init__(self, values: _Values) -> None:
        self.labels: list[str] = []
        self.arcs: list[dict[int, int]] = []
        self.atoms: dict[int, int] = {}
        self._instances = values.instances
        self._inputs = values.cell.inputs
        self._vertices: dict[object, int] = {}
        self._sources: dict[int, int] = {}
        for state in range(self._inputs):
            self.atoms[state] = self._vertex(f"input:{state}")
        self._concatenation("output", values.output)
        # What an instance reads comes before it, so that going backwards meets all readers of an instance first.
        for index in range(len(self._instances) - 1, -1, -1):
            vertex = self.atoms.get(self._inputs + index)
            if vertex is not None:
                self.arcs[vertex] = {self._source(self._instances[index].source): 1}

    def _vertex(self, label: str) -> int:
        self.labels.append(label)
        self.arcs.append({})
        return len(self.labels) - 1

    def _source(self, pieces: tuple[Piece, ...]) -> int:
        # By identity first: the readers of a state share one object, and a long one takes long to hash.
        if id(pieces) not in self._sources:
            content = tuple(sorted(pieces))
            if len(pieces) == 1:
                self._sources[id(pieces)] = self._piece(pieces[0])
            elif content in self._vertices:
                self._sources[id(pieces)] = self._vertices[content]
            else:
                self._sources[id(pieces)] = self._vertices[content] = self._concatenation("concat", pieces)
        return self._sources[id(pieces)]

    def _concatenation(self, label: str, pieces: tuple[Piece, ...]) -> int:
        vertex = self._vertex(label)
        self.arcs[vertex] = dict(Counter(self._piece(piece) for piece in pieces))
        return vertex

    def _piece(self, piece: Piece) -> int:
        if len(piece) == 1 and piece[0][1] == 1:
            return self._atom(piece[0][0])
        content = ("sum", piece)
        if content not in self._vertices:
            vertex = self._vertices[content] = self._vertex("sum" if piece else "zero")
            self.arcs[vertex] = {self._atom(atom): times for atom, times in piece}
        return self._vertices[content]

    def _atom(self, atom: int) -> int:
        if atom not in self.atoms:
            self.atoms[atom] = self._vertex(f"op:{self._instances[atom - self._inputs].op}")
        return self.atoms[atom]
