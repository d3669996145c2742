"""NAS-Bench-201's skeleton: cells that it cannot stack are refused."""

from __future__ import annotations

import pytest

from nastk.errors import UserError
from nastk.genotype import Cell, CellGenotype, Combine, Edge, Node
from nastk.networks import NetworkConfig, build_network


@pytest.mark.parametrize(("output", "combine"), [((0, 1), "add"), ((2,), "concat")])
def test_a_cell_wider_than_its_input_is_refused(output: tuple[int, ...], combine: Combine) -> None:
    nodes = (Node((Edge(0, "conv_1x1"),)), Node((Edge(0, "conv_1x1"), Edge(1, "identity")), combine))
    genotype = CellGenotype("nasbench201", (("normal", Cell(1, nodes, output)),))
    with pytest.raises(UserError, match="expected one state and no concatenation"):
        build_network(genotype, NetworkConfig())
