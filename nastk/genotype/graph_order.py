"""Canonical order of the vertices of a small directed graph: the same for every numbering of the same graph.

Colour refinement, and where that leaves vertices alike, individualisation with a search for the least encoding (McKay
and Piperno, "Practical graph isomorphism, II", 2014). Exact: two graphs get the same encoding if and only if they are
isomorphic. What keeps symmetric graphs cheap: vertices with the same neighbours are one vertex with a count, branches
worse than the best one are cut at the first refinement that shows it, and every symmetry found spares the branches
that are its images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Arcs = Sequence[Mapping[int, int]]
# What a refinement saw, in an order that does not depend on the numbering: comparable, equal for symmetric branches.
Trace = list[Any]


def canonical_order(labels: Sequence[str], arcs: Arcs) -> list[int]:
    """Returns the vertices in canonical order.

    Numbering the vertices by their place in the order gives isomorphic graphs the same labels and arcs.

    Args:
        labels: of every vertex; vertices with different labels are never exchanged.
        arcs: of every vertex, the heads of its arcs and how many arcs go there.
    """
    tails: list[dict[int, int]] = [{} for _ in labels]
    for tail, heads in enumerate(arcs):
        for head, times in heads.items():
            tails[head][tail] = times
    alike: dict[Any, list[int]] = defaultdict(list)
    for vertex, label in enumerate(labels):
        alike[label, frozenset(arcs[vertex].items()), frozenset(tails[vertex].items())].append(vertex)
    classes = list(alike.values())
    number = {members[0]: index for index, members in enumerate(classes)}
    merged = [
        {number[head]: times for head, times in arcs[members[0]].items() if head in number} for members in classes
    ]
    search = _Search([(labels[members[0]], len(members)) for members in classes], merged)
    return [vertex for index in search.run() for vertex in classes[index]]


@dataclass
class _Partition:
    """An ordered partition; a vertex's colour is the number of vertices in the cells before its own."""

    colour: list[int]
    cells: dict[int, list[int]]

    def split(self, cell: int, parts: Iterable[list[int]]) -> list[int]:
        """Puts the parts in the cell's place and returns the vertices that have a new colour."""
        changed = []
        start = cell
        for part in parts:
            self.cells[start] = part
            if start != cell:
                for vertex in part:
                    self.colour[vertex] = start
                changed += part
            start += len(part)
        return changed

    def with_single(self, vertex: int) -> tuple[_Partition, list[int]]:
        """Returns a copy where the vertex has a cell of its own before its cell's others, which are returned too."""
        copy = _Partition(self.colour.copy(), self.cells.copy())
        cell = self.colour[vertex]
        others = [other for other in self.cells[cell] if other != vertex]
        return copy, copy.split(cell, [[vertex], others])


@dataclass
class _Search:
    labels: Sequence[tuple[str, int]]
    arcs: Arcs
    out: list[list[tuple[int, int]]] = field(init=False)
    into: list[list[tuple[int, int]]] = field(init=False)
    symmetries: list[list[int]] = field(default_factory=list)
    # Vertex order and path of the leaf with each encoding; the best leaf's traces and encoding.
    leaves: dict[Any, tuple[list[int], list[int]]] = field(default_factory=dict)
    best: tuple[list[Trace], Any] | None = None

    def __post_init__(self) -> None:
        self.out = [list(heads.items()) for heads in self.arcs]
        self.into = [[] for _ in self.arcs]
        for tail, heads in enumerate(self.out):
            for head, times in heads:
                self.into[head].append((tail, times))

    def run(self) -> list[int]:
        partition = _Partition([0] * len(self.labels), {0: list(range(len(self.labels)))})
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for vertex, label in enumerate(self.labels):
            groups[label].append(vertex)
        partition.split(0, [groups[label] for label in sorted(groups)])
        self._refine(partition, list(range(len(self.labels))))
        self._explore(partition, [], [])
        assert self.best is not None
        return self.leaves[self.best[1]][0]

    def _signature(self, vertex: int, colour: list[int]) -> Any:
        return (
            sorted([(colour[head], times) for head, times in self.out[vertex]]),
            sorted([(colour[tail], times) for tail, times in self.into[vertex]]),
        )

    def _refine(self, partition: _Partition, changed: list[int]) -> Trace:
        """Splits cells until all vertices of a cell see the same colours; `changed` have a new colour."""
        colour, cells = partition.colour, partition.cells
        trace: Trace = []
        while changed:
            near = {colour[other] for vertex in changed for other, _ in self.out[vertex]}
            near.update(colour[other] for vertex in changed for other, _ in self.into[vertex])
            splits = []
            for cell in sorted(near):
                if len(cells[cell]) > 1:
                    seen = sorted((self._signature(vertex, colour), vertex) for vertex in cells[cell])
                    parts: list[list[int]] = []
                    last = None
                    for signature, vertex in seen:
                        if signature != last:
                            parts.append([])
                            trace.append((cell, 0, signature))
                            last = signature
                        parts[-1].append(vertex)
                    trace.append((cell, 1, tuple(map(len, parts))))
                    if len(parts) > 1:
                        splits.append((cell, parts))
            # All at once: what a cell sees must not depend on which cell was split first.
            changed = [vertex for cell, parts in splits for vertex in partition.split(cell, parts)]
        return trace

    def _explore(self, partition: _Partition, path: list[int], traces: list[Trace]) -> int:
        """Searches below a partition; returns the length of the path to go on from."""
        if len(partition.cells) == len(partition.colour):
            return self._leaf(partition, path, traces)
        start = min((len(cell), start) for start, cell in partition.cells.items() if len(cell) > 1)[1]
        tried: list[int] = []
        children: list[tuple[Trace, _Partition]] = []
        for vertex in partition.cells[start]:
            if self._is_image(vertex, tried, path):
                continue
            tried.append(vertex)
            child, changed = partition.with_single(vertex)
            trace = self._refine(child, changed)
            below = [*traces, trace]
            if self.best is not None and below > self.best[0][: len(below)]:
                continue
            if any(trace == other and self._match(twin, child) for other, twin in children):
                continue
            children.append((trace, child))
            back = self._explore(child, [*path, vertex], below)
            if back < len(path):
                return back
        return len(path)

    def _leaf(self, partition: _Partition, path: list[int], traces: list[Trace]) -> int:
        order = [partition.cells[start][0] for start in range(len(partition.colour))]
        colour = partition.colour
        code = tuple(tuple(sorted((colour[head], times) for head, times in self.out[vertex])) for vertex in order)
        if code in self.leaves:
            twin, twin_path = self.leaves[code]
            symmetry = [0] * len(order)
            for source, target in zip(twin, order, strict=True):
                symmetry[source] = target
            self.symmetries.append(symmetry)
            # The symmetry maps the branch that led to the twin onto this one, so nothing new is left in this one.
            return next(level for level, (old, new) in enumerate(zip(twin_path, path, strict=False)) if old != new)
        self.leaves[code] = (order, path)
        if self.best is None or (traces, code) < self.best:
            self.best = (traces, code)
        return len(path)

    def _is_image(self, vertex: int, tried: list[int], path: list[int]) -> bool:
        """Says whether symmetries that keep the path in place take one of the tried vertices to this one."""
        keeping = [symmetry for symmetry in self.symmetries if all(symmetry[fixed] == fixed for fixed in path)]
        reached = set(tried)
        front = list(tried)
        while front:
            current = front.pop()
            for symmetry in keeping:
                if symmetry[current] not in reached:
                    reached.add(symmetry[current])
                    front.append(symmetry[current])
        return vertex in reached

    def _match(self, one: _Partition, other: _Partition) -> bool:
        """Tries whether taking one refined partition to the other, moving nothing else, is a symmetry; keeps it if so.

        Finds, without going down to the leaves, that parts of the graph that do not touch can be exchanged.
        """
        symmetry = list(range(len(one.colour)))
        for start, cell in one.cells.items():
            image = other.cells[start]
            left = cell if len(cell) == 1 else [vertex for vertex in cell if vertex not in image]
            right = image if len(image) == 1 else [vertex for vertex in image if vertex not in cell]
            if len(left) > 1:
                return False
            for source, target in zip(left, right, strict=True):
                symmetry[source] = target
        if len(set(symmetry)) < len(symmetry):
            return False
        for tail, heads in enumerate(self.out):
            image_heads = self.arcs[symmetry[tail]]
            if any(image_heads.get(symmetry[head]) != times for head, times in heads):
                return False
        self.symmetries.append(symmetry)
        return True
