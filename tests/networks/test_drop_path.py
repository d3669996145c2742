"""Drop path: for each image by itself, right on average, off in eval mode, growing over training."""

from __future__ import annotations

import pytest
import torch
from torch import fx

from nastk.blocks.cell import CellModule
from nastk.networks import NetworkConfig, build_network
from nastk.ops.drop_path import DropPath
from tests.networks.named import drawn


def test_drops_whole_images_and_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    result = DropPath(0.3).train()(torch.ones(4000, 2, 3, 3))
    each = result.flatten(1)
    assert torch.equal(each.amin(1), each.amax(1))
    assert each.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert each.mean().item() == pytest.approx(1, abs=0.05)


def test_is_the_identity_in_eval_mode_and_at_the_start_of_training() -> None:
    x = torch.randn(8, 2, 3, 3)
    drop = DropPath(0.9)
    assert drop.eval()(x) is x
    drop.train().set_progress(0)
    assert drop(x) is x


def test_is_gone_from_a_traced_network() -> None:
    traced = fx.symbolic_trace(DropPath(0.5).eval())
    assert [node.op for node in traced.graph.nodes] == ["placeholder", "output"]


@pytest.mark.parametrize("skeleton", ["nasnet", "darts", "nasbench201"])
@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_probability_grows_with_depth_and_with_progress(skeleton: str, progress: float) -> None:
    network = build_network(drawn(skeleton, 0), NetworkConfig(cells=2, filters=4, size=8, drop_path=0.4))
    network.set_drop_path_progress(progress)
    total = len(network.stages)
    for index, stage in enumerate(network.stages):
        if isinstance(stage, CellModule):
            assert stage.drop.probability == pytest.approx(0.4 * (index + 1) / total * progress)


def test_progress_outside_training_is_cut_off() -> None:
    drop = DropPath(0.5)
    drop.set_progress(1.7)
    assert drop.probability == 0.5
    drop.set_progress(-1)
    assert drop.probability == 0


def test_dtype_and_memory_format_stay() -> None:
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    result = DropPath(0.5).train()(x)
    assert result.dtype == torch.float64
    assert result.is_contiguous(memory_format=torch.channels_last)
