"""What function a cell is, by brute force and without a canonical form: its outputs under every numbering of weights.

Every op becomes a random polynomial over a prime field, different for every op, stride and number of pieces that it
reads, and not changed by an exchange of pieces; each instance of an op gets one weight out of a pool. Two cells compute
the same function up to a renaming of weights if the sets of their outputs under all ways to hand out the pool are the
same (but for collisions in 62 bits). Which edges count is found by changing their weights.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import permutations, product
from random import Random

import numpy as np

from nastk.genotype import Cell

PRIME = 2**31 - 1
LANES = 2


@cache
def _random(*what: object) -> np.ndarray:
    rng = Random(repr(what))
    return np.array([rng.randrange(1, PRIME) for _ in range(LANES)], dtype=np.uint64)


@cache
def _assignments(pools: tuple[tuple[str, int], ...]) -> list[tuple[tuple[int, ...], ...]]:
    return list(product(*(permutations(range(size)) for _, size in pools)))


def signature(cell: Cell, reduction: bool = False, shared: frozenset[str] = frozenset()) -> tuple[int, ...]:
    """Returns the least output, the same for cells of the same function and different for others.

    Args:
        cell: few instances of one op, as the work grows as the factorial of their number.
        reduction: edges from the inputs have stride 2.
        shared: ops that have no weights where they read a single piece, so that all such edges compute the same.
    """
    slots = [(node, edge) for node in range(len(cell.nodes)) for edge in range(len(cell.nodes[node].edges))]
    slots += [(-1, state) for state in cell.output if reduction and state < cell.inputs]
    first = np.array([_random("weight", slot) for slot in slots])
    trials = np.repeat(first[None], len(slots) + 1, axis=0)
    for index in range(len(slots)):
        trials[index + 1, index] = _random("changed", index)
    names, outputs = _run(cell, reduction, shared, slots, trials)
    live = [index for index in range(len(slots)) if (outputs[index + 1] != outputs[0]).any()]
    pools = tuple(sorted(Counter(names[slots[index]] for index in live).items()))
    ways = _assignments(pools)
    weights = np.repeat(first[None], len(ways), axis=0)
    for number, (name, size) in enumerate(pools):
        places = [index for index in live if names[slots[index]] == name]
        pool = np.array([_random("pool", name, rank) for rank in range(size)])
        weights[:, places] = pool[[way[number] for way in ways]]
    outputs = _run(cell, reduction, shared, slots, weights)[1]
    return min(map(tuple, outputs.tolist()))


def _run(
    cell: Cell, reduction: bool, shared: frozenset[str], slots: list[tuple[int, int]], weights: np.ndarray
) -> tuple[dict[tuple[int, int], str], np.ndarray]:
    """Returns the op that each edge comes to, and the sorted pieces of the output for each row of weights."""
    shape = (len(weights), LANES)
    number = {slot: index for index, slot in enumerate(slots)}
    names: dict[tuple[int, int], str] = {}

    def apply(op: str, pieces: list[np.ndarray], strided: bool, slot: tuple[int, int]) -> np.ndarray:
        if op == "zero":
            return np.zeros(shape, dtype=np.uint64)
        if op == "identity" and len(pieces) == 1 and not strided:
            return pieces[0]
        op = "conv_1x1" if op == "identity" else op
        names[slot] = op
        weight = _random("shared", op) if op in shared and len(pieces) == 1 else weights[:, number[slot]]
        squares = sum(piece * piece % PRIME for piece in pieces) % PRIME
        linear = sum(pieces) % PRIME
        return (squares * _random("op", op, strided, len(pieces)) % PRIME + linear * weight % PRIME) % PRIME

    states = [[np.broadcast_to(_random("input", index), shape)] for index in range(cell.inputs)]
    for index, node in enumerate(cell.nodes):
        results = [
            apply(edge.op, states[edge.state], reduction and edge.state < cell.inputs, (index, position))
            for position, edge in enumerate(node.edges)
        ]
        states.append([sum(results) % PRIME] if node.combine == "add" else results)
    output = []
    for state in cell.output:
        if reduction and state < cell.inputs:
            output.append(apply("factorized_reduction", states[state], True, (-1, state)))
        else:
            output += states[state]
    return names, np.sort(np.stack([piece[:, 0] << np.uint64(32) | piece[:, 1] for piece in output], axis=1), axis=1)
