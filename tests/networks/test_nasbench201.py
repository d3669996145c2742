"""NAS-Bench-201's networks have the parameters that the benchmark records for its cells."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.networks import NetworkConfig, build_network, count_parameters
from nastk.networks.nasbench201 import ResidualBlock
from nastk.spaces import from_arch_string

TABLE = Path(os.environ.get("NASTK_DATA", "/nonexistent")) / "tables" / "nb201_cifar10.npz"
PUBLISHED = NetworkConfig(cells=5, filters=16)

needs_table = pytest.mark.skipif(not TABLE.is_file(), reason="NASTK_DATA names no folder with tables/nb201_cifar10.npz")


def arch_string(ops: list[str]) -> str:
    one, two, three, four, five, six = ops
    return f"|{one}~0|+|{two}~0|{three}~1|+|{four}~0|{five}~1|{six}~2|"


def disagreements(rows: list[int]) -> list[tuple[str, int, int]]:
    with np.load(TABLE, allow_pickle=False) as table:
        names, ops, recorded = table["op_names"], table["ops"], table["params_cifar10"]
    found = []
    for row in rows:
        text = arch_string([str(names[index]) for index in ops[row]])
        params = count_parameters(build_network(from_arch_string(text), PUBLISHED), auxiliary=False)
        if params != recorded[row]:
            found.append((text, params, int(recorded[row])))
    return found


@needs_table
def test_500_random_cells_have_the_recorded_parameters() -> None:
    assert disagreements(random.Random(0).sample(range(15_625), 500)) == []


@needs_table
@pytest.mark.slow
def test_all_cells_have_the_recorded_parameters() -> None:
    assert disagreements(list(range(15_625))) == []


@pytest.mark.parametrize("size", [8, 7, 1])
def test_the_residual_block_halves_any_size(size: int) -> None:
    block = ResidualBlock(4, 6, size)
    x = torch.ones(2, 4, size, size)
    assert block(x, x).shape == (2, 6, (size + 1) // 2, (size + 1) // 2)
    assert torch.equal(block.shortcut[0](x), torch.ones(2, 4, (size + 1) // 2, (size + 1) // 2))
