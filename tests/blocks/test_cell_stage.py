"""Published cells as a stage."""

from __future__ import annotations

import pytest
import torch

from nastk.blocks.cell_stage import CellStage
from nastk.errors import UserError
from nastk.genotype.published import PUBLISHED
from tests.blocks.stage import stage
from tests.networks.named import named


@pytest.mark.parametrize(("name", "file"), [("nasnet_a", "nasnet_a_large"), ("darts_v2", "darts_v2")])
def test_the_cells_are_those_of_the_published_networks(name: str, file: str) -> None:
    genotype, _ = named(file)
    assert PUBLISHED[name] == (genotype["normal"], genotype["reduction"])


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize(("cell", "normal", "reduction"), [("nasnet_a", 6, 4), ("darts_v2", 4, 4)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_stage_of_cells_strides_in_its_first_and_every_parameter_learns(
    cell: str, normal: int, reduction: int, stride: int, depth: int, side: int
) -> None:
    torch.manual_seed(0)
    module = stage("nasnet_cell", 6, 0, depth, stride, cell=cell, filters=8)
    made = module(torch.randn(2, 6, side, side))
    states = reduction if stride == 2 and depth == 1 else normal
    assert made.shape == (2, 8 * states, -(-side // stride), -(-side // stride))
    (made * torch.randn_like(made)).sum().backward()
    assert [name for name, parameter in module.named_parameters() if not parameter.grad.abs().sum()] == []


def test_a_cell_reads_the_outputs_of_the_two_before_it() -> None:
    module = stage("nasnet_cell", 6, 0, depth=3, filters=8).eval()
    assert isinstance(module, CellStage)
    image = torch.randn(2, 6, 8, 8)
    one, two, three = module.cells
    first = one(image, image)
    second = two(image, first)
    assert torch.equal(module(image), three(first, second))


def test_cells_have_no_stride_but_one_and_two() -> None:
    with pytest.raises(UserError, match="stride=3, expected 1 or 2"):
        stage("nasnet_cell", 6, 0, stride=3)
