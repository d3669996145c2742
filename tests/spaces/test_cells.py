"""The cells that each space makes have the form that its paper describes."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from nastk.errors import UserError
from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.spaces import (
    NASBENCH201_OPS,
    DartsSpace,
    NasBench201Space,
    NasnetSpace,
    from_arch_string,
    random_genotype,
    replay,
    to_arch_string,
)

# The best cell of NAS-Bench-201 on CIFAR-10, as its paper and API write it.
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_nasnet_cells_have_blocks_of_two_edges_and_concatenate_what_no_block_reads() -> None:
    for seed in range(200):
        genotype = random_genotype(NasnetSpace(), Random(seed))
        assert [name for name, _ in genotype.cells] == ["normal", "reduction"]
        for _, cell in genotype.cells:
            assert [len(node.edges) for node in cell.nodes] == [2] * 5
            assert cell.output == cell.unused


def test_nasnet_cell_concatenates_a_cell_input_that_no_block_reads() -> None:
    space = NasnetSpace(blocks=1)
    choices = {
        f"{cell}/0/{side}_{what}": value
        for cell in ("normal", "reduction")
        for side in ("left", "right")
        for what, value in (("state", 1), ("op", "conv_3x3"))
    }
    choices |= {"normal/0/combine": "add", "reduction/0/combine": "concat"}
    cell = replay(space, choices)["normal"]
    assert cell == Cell(2, (Node((Edge(1, "conv_3x3"), Edge(1, "conv_3x3"))),), (0, 2))


def test_nasnet_space_with_one_way_to_combine_has_no_such_choice() -> None:
    names: list[str] = []
    genotype = NasnetSpace(blocks=2, combine=("concat",)).genotype(
        lambda name, options: (names.append(name), options[0])[1]
    )
    assert len(names) == 2 * 2 * 4
    assert {node.combine for _, cell in genotype.cells for node in cell.nodes} == {"concat"}


def test_darts_nodes_read_two_different_states_and_all_nodes_are_the_output() -> None:
    read = set()
    for seed in range(300):
        for _, cell in random_genotype(DartsSpace(), Random(seed)).cells:
            assert cell.output == (2, 3, 4, 5)
            for index, node in enumerate(cell.nodes):
                first, second = (edge.state for edge in node.edges)
                assert first < second
                assert node.combine == "add"
                read.add((index, first, second))
    assert len(read) == 1 + 3 + 6 + 10


def test_nasbench201_nodes_read_every_earlier_state() -> None:
    genotype = random_genotype(NasBench201Space(), Random(0))
    assert [name for name, _ in genotype.cells] == ["normal"]
    cell = genotype["normal"]
    assert [[edge.state for edge in node.edges] for node in cell.nodes] == [[0], [0, 1], [0, 1, 2]]
    assert cell.output == (3,)


def test_nasbench201_strings_of_all_15625_cells_go_there_and_back() -> None:
    names = {
        "zero": "none",
        "identity": "skip_connect",
        "conv_1x1": "nor_conv_1x1",
        "conv_3x3": "nor_conv_3x3",
        "avg_pool_3x3": "avg_pool_3x3",
    }
    for ops in product(NASBENCH201_OPS, repeat=6):
        a, b, c, d, e, f = (names[op] for op in ops)
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        genotype = from_arch_string(text)
        assert to_arch_string(genotype) == text
        assert [edge.op for node in genotype["normal"].nodes for edge in node.edges] == list(ops)


def test_nasbench201_string_is_read_edge_by_edge() -> None:
    nodes = from_arch_string(BEST)["normal"].nodes
    assert [edge.op for edge in nodes[2].edges] == ["identity", "conv_3x3", "conv_3x3"]


@pytest.mark.parametrize(
    "text",
    ["", "|", "nor_conv_3x3", "|nor_conv_3x3~1|", "|none~0|+|none~1|none~0|", "|none~0|none~1|", "|none~0|+", "|none|"],
)
def test_malformed_nasbench201_string_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"architecture string .*expected \|op~0\|"):
        from_arch_string(text)


def test_unknown_op_in_a_nasbench201_string_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'nor_conv_5x5'; nearest is 'nor_conv_"):
        from_arch_string("|nor_conv_5x5~0|")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Cell(1, (Node((Edge(0, "conv_5x5"),)),), (1,)), "unknown op in NAS-Bench-201 'conv_5x5'"),
        (Cell(1, (Node((Edge(0, "zero"), Edge(0, "zero"))),), (1,)), "node 0 is not the sum"),
        (Cell(1, (Node((Edge(0, "zero"),), "concat"),), (1,)), "node 0 is not the sum"),
        (Cell(1, (Node((Edge(0, "zero"),)),), (0,)), r"output \[0\], expected the last state 1"),
    ],
)
def test_cell_that_is_none_of_nasbench201_has_no_string(cell: Cell, message: str) -> None:
    with pytest.raises(UserError, match=message):
        to_arch_string(CellGenotype("nasbench201", (("normal", cell),)))


def test_genotype_of_another_skeleton_has_no_string() -> None:
    with pytest.raises(UserError, match="skeleton 'nasnet', expected 'nasbench201'"):
        to_arch_string(random_genotype(NasnetSpace(), Random(0)))
