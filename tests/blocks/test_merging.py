"""Branches merge into one convolution that computes the same; in files, and back from fine-tuning, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nastk.blocks.merging import Reparameterised
from nastk.deploy.onnx.writer import onnx_model, quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import quantize_int8
from nastk.deploy.precision.scheme import X86
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.deploy.tuning.write_back import write_back
from nastk.ops.merging import Mergeable, merged_network
from tests.blocks.test_classics import built
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import enliven, images

SHAPES = [  # channels in, channels out, kernel, stride, groups, branches
    (8, 8, 3, 1, 1, 1),
    (8, 16, 3, 2, 1, 1),
    (8, 8, 3, 1, 8, 4),
    (8, 8, 5, 2, 8, 2),
    (8, 8, 1, 1, 1, 4),
    (8, 12, 1, 1, 1, 3),
    (8, 8, 3, 1, 4, 1),
    (8, 8, 7, 1, 1, 2),
]
NETWORKS = ["mobileone_s0", "repvgg_a0"]
SIDE = 32
SHAPE = (1, 3, SIDE, SIDE)


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    return enliven(built(name, classes=5, side=SIDE, width=0.25, depth=0.25))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_convolution_computes_what_the_branches_do(shape: tuple[int, int, int, int, int, int]) -> None:
    branches = enliven(Reparameterised(*shape))
    single = branches.merged()
    image = images(3, shape[0], 9, 10)
    torch.testing.assert_close(single(image), branches(image), rtol=1e-5, atol=1e-5)
    assert len(list(branches.branches_and_norms())) == shape[5] + (shape[2] > 1) + (
        shape[0] == shape[1] and shape[3] == 1
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_branches_take_the_weights_of_one_convolution(shape: tuple[int, int, int, int, int, int]) -> None:
    branches, other = (enliven(Reparameterised(*shape), seed) for seed in (0, 1))
    wanted = other.merged()
    branches.set_merged(wanted.weight, wanted.bias)
    found = branches.merged()
    assert torch.equal(found.weight, wanted.weight)
    assert torch.equal(found.bias, wanted.bias)
    image = images(3, shape[0], 9, 10)
    torch.testing.assert_close(branches(image), wanted(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_merged_network_computes_the_same_and_leaves_the_network_as_it_was(name: str) -> None:
    network = small(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.train()
    merged = merged_network(network)
    assert not any(isinstance(module, Mergeable) for module in merged.modules())
    assert all(module.training for module in network.modules())
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert merged.classifier is network.classifier
    image = images(4, *SHAPE[1:])
    expected = network.eval()(image)
    assert (merged.eval()(image) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_a_network_without_branches_is_itself() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    assert merged_network(network) is network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_has_one_convolution_for_all_branches_and_computes_the_same(name: str, tmp_path: Path) -> None:
    network = small(name)
    model = quick_model(network, SHAPE)
    merging = [module for module in network.modules() if isinstance(module, Mergeable)]
    assert [node.op_type for node in model.graph.node].count("Conv") == len(merging)
    assert not [node for node in model.graph.node if node.op_type in ("Add", "BatchNormalization")]
    image = images(8, *SHAPE[1:], seed=2)
    with torch.no_grad():
        expected = network(image).numpy()
    found = predict(open_session(serialise(model)), image.numpy())
    assert expected.std(0).max() > 0
    assert abs(found - expected).max() <= 1e-5 * max(abs(expected).max(), 1)
    (tmp_path / "model.onnx").write_bytes(serialise(model))
    quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx", images(16, *SHAPE[1:], seed=1).numpy())
    share = beside_stems(int8_share(tmp_path / "int8.onnx"), X86)
    assert share.in_int8 == share.convolutions == len(merging) - 1


@pytest.mark.slow
def test_the_general_exporter_merges_too() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = small("repvgg_a0")

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.sinh(self.network(image))  # which the quick writer does not know

    model = onnx_model(Doubled().eval(), SHAPE)
    merging = [module for module in small("repvgg_a0").modules() if isinstance(module, Mergeable)]
    assert [node.op_type for node in model.graph.node].count("Conv") == len(merging)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_fine_tuned_for_int8_come_back_into_the_branches(name: str) -> None:
    network = small(name)
    model = quick_model(network, SHAPE)
    ranges = tensor_ranges(model, images(16, *SHAPE[1:], seed=1).numpy())
    trained = TrainableInt8(model, ranges)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    write_back(network, trained.folded(), SHAPE)
    again = TrainableInt8(quick_model(network, SHAPE), ranges)
    for node, (weight, bias) in trained.folded().items():
        assert torch.equal(weight, again.folded()[node].weight)
        assert bias is None or torch.equal(bias, again.folded()[node].bias)
