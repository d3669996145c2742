"""What dense stages and dual path stages compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from nastk.blocks.dual_path import DualPathBlock, DualPathStage, Split
from nastk.genotype.stages import Stage, StageGenotype
from nastk.networks.stages import build_stages
from tests.blocks.stage import stage


def test_dense_layers_append_to_what_came_in() -> None:
    image = torch.randn(2, 6, 7, 7)
    made = stage("dense", 6, 0, depth=3, growth=4)(image)
    assert made.shape == (2, 6 + 3 * 4, 7, 7)
    assert torch.equal(made[:, :6], image)


def test_growth_scales_with_the_width_of_a_network() -> None:
    genotype = StageGenotype((Stage("dense", depth=2, options=(("growth", 32),)), Stage("norm")))
    network = build_stages(genotype, classes=2, channels=8, height=8, width=8, width_multiplier=0.5)
    assert nn.Sequential(*network.stages)(torch.randn(1, 8, 8, 8)).shape == (1, 8 + 2 * 16, 8, 8)


@pytest.mark.parametrize("side", [8, 9])
def test_a_transition_pools_whole_windows(side: int) -> None:
    assert stage("dense_transition", 8, 4, stride=2)(torch.randn(1, 8, side, side)).shape == (1, 4, 4, 4)
    assert stage("dense_transition", 8, 4)(torch.randn(1, 8, side, side)).shape == (1, 4, side, side)


def test_dense_stages_are_not_joined_in_a_key_and_equal_blocks_are() -> None:
    def key(*stages: Stage) -> str:
        return StageGenotype(stages).key

    dense, basic = Stage("dense", depth=2), Stage("residual_basic", 8, depth=2)
    assert key(dense) != key(Stage("dense"), Stage("dense"))
    assert key(basic) == key(Stage("residual_basic", 8), Stage("residual_basic", 8))


def published(module: DualPathStage, image: Tensor, width: int) -> Tensor:
    """Computes a dual path stage as its paper's code does: one convolution for both paths, whose result is cut."""

    def both(split: Split, x: Tensor) -> Tensor:
        weight = torch.cat((split.residual.weight, split.dense.weight))
        return conv2d(split.first(x), weight, stride=split.residual.stride)

    state = both(module.start, image)
    residual, dense, x = state[:, :width], state[:, width:], image
    for block in module.blocks:
        assert isinstance(block, DualPathBlock)
        made = both(block.split, block.bottleneck(x))
        residual, dense = residual + made[:, :width], torch.cat((dense, made[:, width:]), 1)
        x = torch.cat((residual, dense), 1)
    return x


@pytest.mark.parametrize("stride", [1, 2])
def test_a_dual_path_stage_computes_what_the_published_form_does(stride: int) -> None:
    torch.manual_seed(0)
    module = stage("dual_path", 8, 16, depth=3, stride=stride, growth=4, expansion=0.5, group_width=8).eval()
    assert isinstance(module, DualPathStage)
    image = torch.randn(2, 8, 9, 9)
    expected = published(module, image, 16)
    made = module(image)
    assert made.shape == (2, 16 + 5 * 4, -(-9 // stride), -(-9 // stride))
    assert torch.allclose(made, expected, atol=1e-5)
