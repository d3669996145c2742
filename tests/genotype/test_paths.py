"""The path encoding counts paths of operations, and is equal for cells that compute the same along the same paths."""

from __future__ import annotations

import random

from nastk.genotype.paths import path_encoding
from nastk.spaces import DartsSpace, NasnetSpace, from_arch_string, random_genotype


def test_paths_of_a_small_cell_are_counted() -> None:
    cell = from_arch_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|")
    encoding = path_encoding(cell)
    assert sorted(value for value in encoding if value) == [1.0, 1.0]  # conv 1x1; conv 3x3 twice in a row


def test_a_cell_without_a_path_is_all_zero() -> None:
    assert not any(path_encoding(from_arch_string("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")))


def test_swapped_inner_nodes_have_one_encoding() -> None:
    one = from_arch_string("|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|nor_conv_1x1~1|skip_connect~2|")
    other = from_arch_string("|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|")
    assert path_encoding(one) == path_encoding(other)


def test_deep_cells_of_two_inputs_have_the_same_width() -> None:
    rng = random.Random(0)
    for space in (NasnetSpace(), NasnetSpace(blocks=12), DartsSpace()):
        assert len(path_encoding(random_genotype(space, rng), width=64)) == 64
