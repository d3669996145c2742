"""Cells that papers found, for use as blocks. Each reads the outputs of the two cells before it."""

from __future__ import annotations

from typing import NamedTuple

from nastk.genotype.cell import Cell, Edge, Node


class Cells(NamedTuple):
    """A pair of cells that were found together: one keeps the resolution, the other halves it."""

    normal: Cell
    reduction: Cell


def _cell(nodes: str, output: tuple[int, ...]) -> Cell:
    """Returns a cell of two inputs; a line is a node that adds its edges, each "state operation"."""
    made = []
    for line in nodes.strip().splitlines():
        edges = (edge.split() for edge in line.split("+"))
        made.append(Node(tuple(Edge(int(state), name) for state, name in edges)))
    return Cell(2, tuple(made), output)


# Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018, Fig. 4.
NASNET_A = Cells(
    _cell(
        """
        1 sep_conv_3x3 + 1 identity
        0 sep_conv_3x3 + 1 sep_conv_5x5
        1 avg_pool_3x3 + 0 identity
        0 avg_pool_3x3 + 0 avg_pool_3x3
        0 sep_conv_5x5 + 0 sep_conv_3x3
        """,
        (0, 2, 3, 4, 5, 6),
    ),
    _cell(
        """
        1 sep_conv_5x5 + 0 sep_conv_7x7
        1 max_pool_3x3 + 0 sep_conv_7x7
        1 avg_pool_3x3 + 0 sep_conv_5x5
        3 identity + 2 avg_pool_3x3
        2 sep_conv_3x3 + 1 max_pool_3x3
        """,
        (3, 4, 5, 6),
    ),
)
# Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, the cells found by second order.
DARTS_V2 = Cells(
    _cell(
        """
        0 sep_conv_3x3 + 1 sep_conv_3x3
        0 sep_conv_3x3 + 1 sep_conv_3x3
        1 sep_conv_3x3 + 0 skip_connect
        0 skip_connect + 2 dil_sep_conv_3x3
        """,
        (2, 3, 4, 5),
    ),
    _cell(
        """
        0 max_pool_3x3 + 1 max_pool_3x3
        2 skip_connect + 1 max_pool_3x3
        0 max_pool_3x3 + 2 skip_connect
        2 skip_connect + 1 max_pool_3x3
        """,
        (2, 3, 4, 5),
    ),
)
PUBLISHED: dict[str, Cells] = {"nasnet_a": NASNET_A, "darts_v2": DARTS_V2}
