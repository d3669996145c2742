"""Tests of what becomes of each edge of a cell."""

from __future__ import annotations

import dataclasses

from nastk.genotype import Cell, CellGenotype, Edge, Node
from nastk.genotype.usage import ALONE, CONSTANT, IDLE, LIVE, edge_usages, term_counts
from nastk.spaces.nasbench201 import from_arch_string


def usages(text: str) -> list[tuple[str, str]]:
    return [(op, usage) for _, op, usage in edge_usages(from_arch_string(text)["normal"])]


def test_what_the_output_does_not_need_is_idle_or_alone():
    # The first two nodes are read by zeros alone; the second adds two operations.
    text = "|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_3x3~0|none~1|none~2|"
    assert usages(text) == [
        ("conv_1x1", ALONE),
        ("conv_3x3", IDLE),
        ("avg_pool_3x3", IDLE),
        ("conv_3x3", LIVE),
    ]


def test_an_operation_on_zeros_is_constant_while_the_output_reads_it():
    text = "|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
    assert usages(text) == [("conv_3x3", ALONE), ("identity", LIVE), ("conv_1x1", CONSTANT)]


def test_readings_count_what_they_say():
    text = "|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_3x3~0|none~1|none~2|"
    cell = from_arch_string(text)
    assert term_counts(cell, "every") == {
        **{"normal/conv_1x1": 1, "normal/conv_3x3": 2, "normal/avg_pool_3x3": 1, "normal/output": 1}
    }
    assert term_counts(cell, "needed") == {"connected": 1, "normal/conv_3x3": 1, "normal/output": 1}
    assert term_counts(cell, "kept") == {
        **{"connected": 1, "normal/conv_1x1": 1, "normal/conv_3x3": 1, "normal/output": 1}
    }
    assert term_counts(cell, "apart")["normal/conv_3x3:idle"] == 1


def test_a_cell_that_its_input_does_not_reach_is_a_constant():
    cell = from_arch_string("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|")
    assert term_counts(cell, "needed") == {}
    assert term_counts(cell, "every")["normal/conv_3x3"] == 2


def test_stride_and_width_are_told_apart():
    concat = Node((Edge(0, "sep_conv_3x3"), Edge(1, "sep_conv_3x3")), "concat")
    cell = Cell(2, (concat, Node((Edge(2, "conv_1x1"),))), (2, 3))
    counts = term_counts(CellGenotype("nasnet", (("normal", cell), ("reduction", cell))), "every")
    assert counts["normal/sep_conv_3x3"] == 2
    assert counts["reduction/sep_conv_3x3/2"] == 2
    assert counts["reduction/conv_1x1"] == 1
    assert counts["normal/wide"] == 1
    assert counts["normal/output"] == 3


def test_what_a_genotype_chooses_beside_its_cells_is_in_every_term():
    cell = Cell(2, (Node((Edge(0, "conv_1x1"), Edge(1, "identity"))),), (2,))
    plain = CellGenotype("nasnet", (("normal", cell), ("reduction", cell)))
    counts = term_counts(plain, "apart")
    own = term_counts(dataclasses.replace(plain, stem="stride2", first_cells=0), "apart")
    assert own["normal/conv_1x1@stride2,0:live"] == counts["normal/conv_1x1:live"] == 1
    assert own["stem@stride2,0"] == own["connected"] == 1
    assert len(own) == len(counts) + 1
    assert not {name for name in own if "@" not in name} - {"connected"}
