"""Places a cell's graph from left to right in columns, so that no line runs through a box and few lines cross.

Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981: columns by depth,
lanes where a line passes a column, order by barycentres, then positions by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nastk.genotype import Cell

ROW = 26.0
ROW_GAP = 8.0
LANE = 4.0
BOX_GAP = 24.0
LANE_GAP = 14.0
SWEEPS = 24

OUTPUT = -1


@dataclass(frozen=True)
class Item:
    """Something that takes room in a column.

    Attributes:
        state: the hidden state that it makes or, as a lane, lets through; OUTPUT for the cell's output.
        lane: whether it is only a line passing by.
        sources: the states it reads, one a row; a lane reads its own state.
    """

    state: int
    lane: bool
    sources: tuple[int, ...]

    @property
    def height(self) -> float:
        """In pixels."""
        if self.lane:
            return LANE
        rows = max(1, len(self.sources))
        return max(ROW, rows * 14.0) if self.state == OUTPUT else rows * ROW + (rows - 1) * ROW_GAP

    def row_offset(self, row: int) -> float:
        """Returns where a row's middle lies relative to the item's middle."""
        if self.lane or not self.sources:
            return 0.0
        pitch = 14.0 if self.state == OUTPUT else ROW + ROW_GAP
        return (row - (len(self.sources) - 1) / 2) * pitch


@dataclass(frozen=True)
class Placed:
    """An item with the height of its middle, and its rows from top to bottom as indices into the node's edges."""

    item: Item
    y: float
    rows: tuple[int, ...]

    def row_y(self, place: int) -> float:
        """Returns the height of the row at `place`, counted from the top."""
        return self.y + self.item.row_offset(place)


Columns = tuple[tuple[Placed, ...], ...]


def columns(cell: Cell) -> Columns:
    """Returns the columns from the inputs to the output, each from top to bottom, heights in pixels from 0."""
    order = _ordered(_columns(cell))
    heights = _heights(order)
    top = min(y - item.height / 2 for column, ys in zip(order, heights, strict=True) for item, y in _both(column, ys))
    return tuple(
        tuple(Placed(item, y - top, tuple(_rows(item, order[index - 1]))) for item, y in _both(column, heights[index]))
        for index, column in enumerate(order)
    )


def _columns(cell: Cell) -> list[list[Item]]:
    depth = dict.fromkeys(range(cell.inputs), 0)
    for index, node in enumerate(cell.nodes):
        depth[cell.inputs + index] = 1 + max(depth[edge.state] for edge in node.edges)
    end = 1 + max(depth.values())
    last = dict.fromkeys(depth, 0)  # the last column that reads a state
    for index, node in enumerate(cell.nodes):
        for edge in node.edges:
            last[edge.state] = max(last[edge.state], depth[cell.inputs + index])
    last.update(dict.fromkeys(cell.output, end))
    made: list[list[Item]] = [[] for _ in range(end + 1)]
    for state, column in depth.items():
        index = state - cell.inputs
        sources = tuple(edge.state for edge in cell.nodes[index].edges) if index >= 0 else ()
        made[column].append(Item(state, False, sources))
        for passed in range(column + 1, last[state]):
            made[passed].append(Item(state, True, (state,)))
    made[end].append(Item(OUTPUT, False, cell.output))
    return made


def _ordered(start: list[list[Item]]) -> list[list[Item]]:
    """Fewest crossings found; the inputs keep their order, as the mirror image has as many crossings."""
    order = [list(column) for column in start]
    best, fewest = [list(column) for column in order], _crossings(order)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for index in range(1, len(order)) if forward else range(len(order) - 2, 0, -1):
            near = order[index - 1] if forward else order[index + 1]
            keys = [_barycentre(item, near, forward, place) for place, item in enumerate(order[index])]
            ranked = sorted(range(len(keys)), key=lambda place: (keys[place], place if sweep % 4 < 2 else -place))
            order[index] = [order[index][place] for place in ranked]
        _swap_neighbours(order)
        found = _crossings(order)
        if found < fewest:
            best, fewest = [list(column) for column in order], found
        if fewest == 0:
            break
    return best


def _barycentre(item: Item, near: Sequence[Item], forward: bool, place: int) -> float:
    if forward:
        places = [index for index, other in enumerate(near) if other.state in item.sources]
    else:
        places = [index for index, other in enumerate(near) if item.state in other.sources]
    return sum(places) / len(places) if places else float(place)


def _swap_neighbours(order: list[list[Item]]) -> None:
    better = True
    while better:
        better = False
        for index in range(1, len(order)):
            column = order[index]
            for place in range(len(column) - 1):
                before = _crossings(order[index - 1 : index + 2])
                column[place], column[place + 1] = column[place + 1], column[place]
                if _crossings(order[index - 1 : index + 2]) < before:
                    better = True
                else:
                    column[place], column[place + 1] = column[place + 1], column[place]


def _crossings(order: Sequence[Sequence[Item]]) -> int:
    count = 0
    for left, right in pairwise(order):
        place = {item.state: index for index, item in enumerate(left)}
        starts = [place[item.sources[row]] for item in right for row in _rows(item, left) if item.sources[row] in place]
        count += sum(a > b for index, a in enumerate(starts) for b in starts[index + 1 :])
    return count


def _rows(item: Item, left: Sequence[Item]) -> list[int]:
    """An item's rows in the order of what they read, so that its own lines do not cross."""
    place = {other.state: index for index, other in enumerate(left)}
    return sorted(range(len(item.sources)), key=lambda row: (place.get(item.sources[row], 0), row))


def _heights(order: list[list[Item]]) -> list[list[float]]:
    heights = [_spread(column, [0.0] * len(column)) for column in order]
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for index in range(1, len(order)) if forward else range(len(order) - 2, -1, -1):
            wished = [_wish(order, heights, index, place, forward) for place in range(len(order[index]))]
            heights[index] = _spread(order[index], wished)
    return heights


def _wish(order: list[list[Item]], heights: list[list[float]], index: int, place: int, forward: bool) -> float:
    """The height at which an item's lines to the column before (forward) or after it are level on average."""
    item = order[index][place]
    if forward:
        ys = {other.state: y for other, y in _both(order[index - 1], heights[index - 1])}
        rows = _rows(item, order[index - 1])
        levels = [ys[item.sources[row]] - item.row_offset(at) for at, row in enumerate(rows)]
    else:
        levels = [
            y + other.row_offset(at)
            for other, y in _both(order[index + 1], heights[index + 1])
            for at, row in enumerate(_rows(other, order[index]))
            if other.sources[row] == item.state
        ]
    return sum(levels) / len(levels) if levels else heights[index][place]


def _spread(column: Sequence[Item], wished: Sequence[float]) -> list[float]:
    """The heights nearest to the wished ones, by least squares, that keep order and distance (isotonic regression)."""
    offsets = [0.0]
    for above, below in pairwise(column):
        gap = LANE_GAP if above.lane or below.lane else BOX_GAP
        offsets.append(offsets[-1] + (above.height + below.height) / 2 + gap)
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        total, count = wish - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, members = pools.pop()
            total, count = total + more, count + members
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [base + offset for base, offset in zip(level, offsets, strict=True)]


def _both(column: Sequence[Item], ys: Sequence[float]) -> list[tuple[Item, float]]:
    return list(zip(column, ys, strict=True))
