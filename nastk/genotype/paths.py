"""A genotype as numbers: how often each path of operations leads from a cell's input to its output."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import lru_cache

from nastk.genotype.cell import Cell
from nastk.genotype.cell_genotype import CellGenotype
from nastk.genotype.ops import IDENTITY_OPS, ZERO_OPS

LONGEST = 3
WIDTH = 256

Path = tuple[str, ...]


def path_encoding(genotype: CellGenotype, width: int = WIDTH, longest: int = LONGEST) -> list[float]:
    """Returns the truncated path encoding: White, Neiswanger, Nolen, Savani, "A Study on Encodings for Neural
    Architecture Search", NeurIPS 2020.

    Counted are the sequences of operations on the paths from each input of a cell to its output; an identity adds
    nothing to a path, and a zero ends it. So that the length does not depend on the space, paths are counted in
    `width` places by a hash of theirs, and of long ones the last operations alone. What the genotype chooses beside its
    cells counts once, in a place of its own.

    Args:
        genotype: of any skeleton.
        width: how many numbers to return.
        longest: how many operations of a path are told apart.
    """
    encoding = [0.0] * width
    for name, cell in genotype.cells:
        for path, count in _paths(cell, longest).items():
            encoding[hashed_place((name, *path), width)] += count
    for field, value in genotype.own_network.items():
        encoding[hashed_place((field, str(value)), width)] += 1
    return encoding


def _paths(cell: Cell, longest: int) -> Counter[Path]:
    states: list[Counter[Path]] = [Counter({(str(index),): 1}) for index in range(cell.inputs)]
    for node in cell.nodes:
        reached: Counter[Path] = Counter()
        for edge in node.edges:
            if edge.op in ZERO_OPS:
                continue
            for path, count in states[edge.state].items():
                ops = path[1:] if edge.op in IDENTITY_OPS else (*path[1:], edge.op)
                reached[(path[0], *ops[-longest:])] += count
        states.append(reached)
    total: Counter[Path] = Counter()
    for state in cell.output:
        total.update(states[state])
    return total


@lru_cache(maxsize=65536)
def hashed_place(path: Path, width: int) -> int:
    """Returns the place of names among `width`, the same in every process."""
    return int.from_bytes(hashlib.blake2b("/".join(path).encode(), digest_size=8).digest(), "big") % width
